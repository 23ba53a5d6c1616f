-- Certificates of certbus-agent in nginx with Lua or OpenResty, in the dictionary that is called "certbus".
--   c:ID    fingerprint, names, chain and key of a certificate: one value, so that no handshake sees half of a change
--   n:NAME  the id of the certificate for a name; "n:" that for clients that name no server
--   e:      what the agent wrote last, gone with the dictionary
-- In "http":
--   lua_package_path "FOLDER OF THIS FILE/?.lua;;";
--   lua_shared_dict certbus 64m;
--   init_by_lua_block { require("certbus").fill("FOLDER OF THE TARGET") }
--   map "" $certbus_token { include TOKEN FILE; }    (inside a "map" nginx, which reads it as root, obeys no directive)
-- In each server that takes TLS, next to any certificate, which nobody is shown:
--   ssl_certificate_by_lua_block { require("certbus").certificate() }
-- In the server that listens on the socket, which the agent asks four times a second:
--   access_log off;
--   location /certbus/ { content_by_lua_block { require("certbus").admin() } }

local ssl = require "ngx.ssl"

local dictionary = ngx.shared.certbus
local FINGERPRINT_LENGTH = 43

local function id_for(server_name)
  local name = string.lower(server_name or "")
  if string.sub(name, -1) == "." then name = string.sub(name, 1, -2) end
  local exact = dictionary:get("n:" .. name)
  if exact or name == "" then return exact end
  local dot = string.find(name, ".", 1, true)
  if dot and dot > 1 then return dictionary:get("n:*" .. string.sub(name, dot)) end
end

-- A value is "FINGERPRINT\nNAME NAME\n" + chain + "\n" + key; each part ends with a line's end.
local function parts(value)
  local names = string.find(value, "\n", FINGERPRINT_LENGTH + 2, true)
  if not names then return nil end
  local chain = string.find(value, "\n\n", names + 1, true)
  if not chain then return nil end
  return string.sub(value, names + 1, chain), string.sub(value, chain + 2)
end

local function names_of(value)
  local line = string.match(value, "^[^\n]*\n([^\n]*)\n") or ""
  local names = {}
  for name in string.gmatch(line, "%S+") do names[#names + 1] = name end
  return names
end

-- "-" stands for clients that name no server.
local function name_key(name)
  return "n:" .. (name == "-" and "" or name)
end

-- Drops the names that lead to what a certificate was, but for some.
local function drop(id, value, but)
  if not value then return end
  local kept = {}
  for _, name in ipairs(but) do kept[name] = true end
  for _, name in ipairs(names_of(value)) do
    local key = name_key(name)
    if not kept[name] and dictionary:get(key) == id then dictionary:delete(key) end
  end
end

-- Returns the fingerprint, or nothing where the dictionary is full. Nothing else is driven out of it.
local function put(id, value)
  local before = dictionary:get("c:" .. id)
  local names = names_of(value)
  if not dictionary:safe_set("c:" .. id, value) then
    -- A larger value takes the place of the old one first.
    if before then dictionary:safe_set("c:" .. id, before) end
    return nil
  end
  drop(id, before, names)
  for _, name in ipairs(names) do
    if not dictionary:safe_set(name_key(name), id) then return nil end
  end
  return string.sub(value, 1, FINGERPRINT_LENGTH)
end

-- Puts certificates: of each a line "ID LENGTH", and its value of so many bytes. Returns a line for each: what is kept, or "full".
local function put_all(body)
  local lines, at = {}, 1
  while at <= #body do
    local id, length, from = string.match(body, "^([%w_-]+) (%d+)\n()", at)
    if not id then return nil end
    at = from + tonumber(length)
    local value = string.sub(body, from, at - 1)
    if not parts(value) then return nil end
    lines[#lines + 1] = id .. " " .. (put(id, value) or "full") .. "\n"
  end
  return table.concat(lines)
end

-- A line a certificate: id, fingerprint and names, never a key.
local function list()
  local lines = {}
  for _, each in ipairs(dictionary:get_keys(0)) do
    local value = string.sub(each, 1, 2) == "c:" and dictionary:get(each)
    if value then
      local id = string.sub(each, 3)
      local line = { id, string.sub(value, 1, FINGERPRINT_LENGTH) }
      for _, name in ipairs(names_of(value)) do
        if dictionary:get(name_key(name)) == id then line[#line + 1] = name end
      end
      lines[#lines + 1] = table.concat(line, " ") .. "\n"
    end
  end
  return table.concat(lines)
end

local function answer(status, text)
  ngx.status = status
  if text then ngx.print(text) end
  return ngx.exit(status)
end

local function admin()
  local token = ngx.var.certbus_token
  local given = ngx.req.get_headers()["authorization"]
  if not token or token == "" or given ~= "Bearer " .. token then return answer(401, "wrong token\n") end
  local method = ngx.req.get_method()
  local id = string.match(ngx.var.uri, "/certificates/([%w_-]+)$")
  local is_epoch = string.match(ngx.var.uri, "/epoch$")
  local body
  if method == "PUT" then
    ngx.req.read_body()
    body = ngx.req.get_body_data()
    if not body then return answer(413, "larger than client_body_buffer_size\n") end
  end
  local is_list = string.match(ngx.var.uri, "/certificates$")
  if is_list and body then
    local lines = put_all(body)
    if lines then return answer(200, lines) end
    return answer(400, "not certificates\n")
  end
  if id and method == "DELETE" then
    drop(id, dictionary:get("c:" .. id), {})
    dictionary:delete("c:" .. id)
    return answer(204)
  end
  if is_list and method == "GET" then return answer(200, list()) end
  if is_epoch and method == "GET" then return answer(200, dictionary:get("e:") or "") end
  if is_epoch and body then
    if dictionary:safe_set("e:", body) then return answer(204) end
    return answer(507, "the zone is full\n")
  end
  return answer(404, "unknown\n")
end

-- Shows the certificate for the server name of the handshake; without one the handshake fails.
local function certificate()
  local id = id_for(ssl.server_name())
  local value = id and dictionary:get("c:" .. id)
  local chain, key
  if value then chain, key = parts(value) end
  local parsed_chain = chain and ssl.parse_pem_cert(chain)
  local parsed_key = key and ssl.parse_pem_priv_key(key)
  if not parsed_chain or not parsed_key then return ngx.exit(ngx.ERROR) end
  if not ssl.clear_certs() or not ssl.set_cert(parsed_chain) or not ssl.set_priv_key(parsed_key) then
    return ngx.exit(ngx.ERROR)
  end
end

local function read(path)
  local file = io.open(path, "r")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

-- Takes the agent's files into an empty dictionary. It is run by nginx's master, so that workers need no access to them.
local function fill(folder)
  if dictionary:get("e:") then return end
  for line in string.gmatch(read(folder .. "/current/certbus.list") or "", "[^\n]+") do
    local file, id, fingerprint, names = string.match(line, "^(%S+) (%S+) (%S+) ?(.*)$")
    -- Root reads it: what another user wrote into the list names no file elsewhere.
    local is_here = file and not string.find(file, "/", 1, true)
    local pem = is_here and read(folder .. "/current/" .. file)
    local key = pem and string.find(pem, "-----BEGIN PRIVATE KEY-----", 1, true)
    if key then
      local chain = string.sub(pem, 1, key - 1)
      put(id, fingerprint .. "\n" .. names .. "\n" .. chain .. "\n" .. string.sub(pem, key))
    end
  end
end

return { admin = admin, certificate = certificate, fill = fill }
