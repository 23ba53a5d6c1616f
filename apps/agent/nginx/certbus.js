// Certificates of certbus-agent in nginx (njs 0.8 or newer), in the zone of shared memory that is called "certbus".
//   c:ID    fingerprint, names, chain and key of a certificate: one value, so that no handshake sees half of a change
//   n:NAME  the id of the certificate for a name; "n:" that for clients that name no server
//   e:      what the agent wrote last, gone with the zone

const zone = ngx.shared.certbus;
const FINGERPRINT_LENGTH = 43;
const MAX_KEYS = 10000000;

function idFor(serverName) {
  let name = (serverName || '').toLowerCase();
  if (name.endsWith('.')) name = name.slice(0, -1);
  const exact = zone.get(`n:${name}`);
  if (exact !== undefined || name === '') return exact;
  const dot = name.indexOf('.');
  return dot > 0 ? zone.get(`n:*${name.slice(dot)}`) : undefined;
}

// A value is "FINGERPRINT\nNAME NAME\n" + chain + "\n" + key; each part ends with a line's end.
function valueFor(serverName) {
  const id = idFor(serverName);
  return id === undefined ? undefined : zone.get(`c:${id}`);
}

// What the chain of a handshake was read from, until nginx asks for its key: another worker can write the zone in between.
let read;

function chain(request) {
  const value = valueFor(request.variables.ssl_server_name);
  read = { connection: request.variables.connection, value };
  if (value === undefined) return '';
  const start = value.indexOf('\n', FINGERPRINT_LENGTH + 1) + 1;
  return value.slice(start, value.indexOf('\n\n', start) + 1);
}

function key(request) {
  const isSame = read !== undefined && read.connection === request.variables.connection;
  const value = isSame ? read.value : valueFor(request.variables.ssl_server_name);
  read = undefined;
  return value === undefined ? '' : value.slice(value.indexOf('\n\n', FINGERPRINT_LENGTH + 1) + 2);
}

function namesOf(value) {
  const names = value.slice(FINGERPRINT_LENGTH + 1, value.indexOf('\n', FINGERPRINT_LENGTH + 1));
  return names === '' ? [] : names.split(' ');
}

// "-" stands for clients that name no server.
const nameKey = (name) => `n:${name === '-' ? '' : name}`;

// Drops the names that lead to what a certificate was, but for some.
function drop(id, value, but) {
  if (value === undefined) return;
  namesOf(value).forEach((name) => {
    if (!but.includes(name) && zone.get(nameKey(name)) === id) zone.delete(nameKey(name));
  });
}

function put(id, value) {
  const before = zone.get(`c:${id}`);
  const names = namesOf(value);
  // Where the zone is full this throws, and what is there stays as it is.
  zone.set(`c:${id}`, value);
  drop(id, before, names);
  names.forEach((name) => {
    zone.set(nameKey(name), id);
  });
  return zone.get(`c:${id}`).slice(0, FINGERPRINT_LENGTH);
}

function putOne(id, value) {
  try {
    return put(id, value);
  } catch (error) {
    if (error.name !== 'SharedMemoryError') throw error;
    return 'full';
  }
}

// Puts certificates: of each a line "ID LENGTH", and its value of so many characters. Answers a line for each: what is kept, or "full".
function putAll(text) {
  let lines = '';
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf('\n', at);
    const head = /^([\w-]+) (\d+)$/.exec(text.slice(at, end));
    if (end < 0 || !head) return undefined;
    at = end + 1 + Number(head[2]);
    lines += `${head[1]} ${putOne(head[1], text.slice(end + 1, at))}\n`;
  }
  return lines;
}

// A line a certificate: id, fingerprint and names, never a key.
function list() {
  let lines = '';
  zone.keys(MAX_KEYS).forEach((each) => {
    const value = each.startsWith('c:') ? zone.get(each) : undefined;
    if (value === undefined) return;
    const id = each.slice(2);
    const names = namesOf(value).filter((name) => zone.get(nameKey(name)) === id);
    lines += `${id} ${value.slice(0, FINGERPRINT_LENGTH)} ${names.join(' ')}\n`;
  });
  return lines;
}

function answer(request) {
  const token = request.variables.certbus_token;
  if (!token || request.headersIn['Authorization'] !== `Bearer ${token}`) return request.return(401, 'wrong token\n');
  const id = request.uri.slice(request.uri.lastIndexOf('/') + 1);
  const isOne = /\/certificates\/[\w-]+$/.test(request.uri);
  if (isOne && request.method === 'DELETE') {
    drop(id, zone.get(`c:${id}`), []);
    zone.delete(`c:${id}`);
    return request.return(204);
  }
  if (request.uri.endsWith('/certificates') && request.method === 'GET') return request.return(200, list());
  if (request.uri.endsWith('/certificates') && request.method === 'PUT') {
    const lines = putAll(request.requestText);
    return lines === undefined ? request.return(400, 'not certificates\n') : request.return(200, lines);
  }
  if (request.uri.endsWith('/epoch') && request.method === 'GET') return request.return(200, zone.get('e:') || '');
  if (request.uri.endsWith('/epoch') && request.method === 'PUT') {
    zone.set('e:', request.requestText);
    return request.return(204);
  }
  return request.return(404, 'unknown\n');
}

function admin(request) {
  try {
    answer(request);
  } catch (error) {
    // What was sent is in no message: it holds a private key.
    request.return(507, error.name === 'SharedMemoryError' ? 'the zone is full\n' : `${error.name}\n`);
  }
}

export default { chain, key, admin };
