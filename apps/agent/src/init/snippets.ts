/** What a balancer's own configuration needs, for each kind of target. */
import { dirname } from 'node:path';
import type { NamedTarget } from '../configuration/read-configuration.ts';
import { mapBlocks } from '../targets/nginx/map.ts';

/** Lines for HAProxy. */
function haproxySnippet({ folder, socket, default: defaultName }: Extract<NamedTarget, { type: 'haproxy' }>): string {
  const strict = defaultName === undefined ? ' strict-sni' : '';
  return `# In "global", in place of another line for this socket. HAProxy keeps a socket as it is over a reload: restart it once.
stats socket ${socket} mode 660 group certbus-agent level admin

# In the frontend that takes TLS:
bind :443 ssl crt-list ${folder}/crt-list.txt${strict}
`;
}

/** Lines for nginx with njs. */
function nginxSnippet(
  { socket, tokenFile }: Extract<NamedTarget, { type: 'nginx' }>,
  { scripts }: { readonly scripts: string },
): string {
  return `# At the top, where njs is a module of its own: load_module modules/ngx_http_js_module.so;

# In "http":
js_path ${scripts};
js_import certbus from certbus.js;
# About 6 kB a certificate. It is empty after a restart of nginx until the agent fills it, in about a second for 10,000
# certificates. To start with certificates while the agent is down, add: state=FILE, in a folder of mode 0700 of
# nginx's worker user, since the file holds private keys and is readable by all.
js_shared_dict_zone zone=certbus:64M;
js_set $certbus_chain certbus.chain;
js_set $certbus_key certbus.key;
# nginx reads this file as root. Inside a "map" it obeys no directive: leave it there.
map "" $certbus_token { include ${tokenFile}; }
server {
  # In a folder of root and the agent's group, mode 0750, since nginx makes the socket itself with mode 0666. A file
  # /etc/tmpfiles.d/certbus-nginx.conf makes it at each boot: d ${dirname(socket)} 0750 root certbus-agent -
  listen unix:${socket};
  # The agent asks four times a second whether nginx was restarted.
  access_log off;
  client_body_buffer_size 256k;
  client_max_body_size 256k;
  location /certbus/ { js_content certbus.admin; }
}

# In each server that takes TLS, once "certbus-agent check" shows that the certificates are in place:
ssl_certificate data:$certbus_chain;
ssl_certificate_key data:$certbus_key;
`;
}

/** In which order agent and balancer are started, so that no visitor is refused on the way. */
export const orderFor = (type: NamedTarget['type']): string =>
  ({
    haproxy: 'Then start "certbus-agent run", which writes the files of these lines, and restart HAProxy after that.',
    nginx:
      'Then reload nginx with the lines for "http", start "certbus-agent run", and reload it with those for the servers after that.',
    'nginx-files':
      'Then start "certbus-agent run", which writes the files of these lines, and reload nginx after that.',
    files: 'Then start "certbus-agent run", which writes the files.',
  })[type];

/**
 * Lines for nginx without njs, and what the shipped unit lacks for it. Only root can test nginx, whose configuration names logs and keys of root, and
 * signal its master.
 */
function nginxFilesSnippet(
  { folder, group = 'www-data', after }: Extract<NamedTarget, { type: 'nginx-files' }>,
  { systemd }: { readonly systemd: string },
): string {
  const rights = after
    ? `# As root: the agent may start one unit, which tests nginx, and reload nginx, and nothing else.
cp ${systemd}/certbus-nginx-test.service /etc/systemd/system/
cp ${systemd}/certbus-agent-nginx.rules /etc/polkit-1/rules.d/

# As root: the folder, for nginx's workers, and the drop-in /etc/systemd/system/certbus-agent.service.d/nginx.conf.
install -d -o certbus-agent -g ${group} -m 0750 ${folder}
[Service]
SupplementaryGroups=${group}
ReadWritePaths=${folder}`
    : `# There is no systemd here: the agent runs "nginx -t" and "nginx -s reload" itself. Only root can do that, so run it as root, or set
# "test" and "after" of the target to commands that its user may run.`;
  const { http, server } = mapBlocks(folder);
  return `# In "http". nginx reads the file of the agent as root. Inside a "map" it obeys no directive: leave it there.
${http}

# In each server that takes TLS. Workers read the files at each handshake, and so are in the group of the files. Leave the folder
# before the variable: without it an entry could name a library, which nginx would load ("engine:").
${server}

${rights}
`;
}

/** Where the files are. */
function filesSnippet({
  folder,
  layout = 'certbot',
  replaceBy = 'swap',
}: Extract<NamedTarget, { type: 'files' }>): string {
  const place = replaceBy === 'swap' ? `${folder}/current` : folder;
  const files = {
    certbot: `${place}/NAME/fullchain.pem and ${place}/NAME/privkey.pem`,
    lego: `${place}/NAME.crt and ${place}/NAME.key`,
    combined: `${place}/NAME.pem, which holds chain and key`,
    pkcs12: `${place}/NAME.p12, with the password of this target's passwordFile`,
  };
  return `# Name these files in the program's configuration, a wildcard's star as "_":\n# ${files[layout]}\n`;
}

/** The lines to add to a balancer's configuration for a target. */
export function snippetFor(
  target: NamedTarget,
  places: { readonly scripts: string; readonly systemd: string },
): string {
  switch (target.type) {
    case 'files':
      return filesSnippet(target);
    case 'haproxy':
      return haproxySnippet(target);
    case 'nginx':
      return nginxSnippet(target, places);
    case 'nginx-files':
      return nginxFilesSnippet(target, places);
  }
}

/** Lines that send HTTP-01 challenges to the agent. */
export function http01Snippet(type: NamedTarget['type'], listen: string): string | undefined {
  if (type === 'nginx' || type === 'nginx-files') {
    const upstream = listen.startsWith('/') ? `http://unix:${listen}:` : `http://${listen}`;
    return `# In the server that listens on port 80. A "return" of the whole server comes before it: put that into "location / { }".
location /.well-known/acme-challenge/ { proxy_pass ${upstream}; }
`;
  }
  if (type === 'haproxy') {
    const server = listen.startsWith('/') ? `unix@${listen}` : listen;
    const chroot = listen.startsWith('/') ? ' With "chroot" it looks for the socket below that folder.' : '';
    return `# In the frontend that listens on port 80. A redirect to HTTPS there comes before it: add to the end of that line
# unless { path_beg /.well-known/acme-challenge/ }
use_backend certbus_agent if { path_beg /.well-known/acme-challenge/ }

# At the end.${chroot}
backend certbus_agent
  server agent ${server}
`;
  }
  return undefined;
}

/** Ports of this machine between the routes and the servers that take TLS. */
const [INNER, HOP] = ['127.0.0.1:8444', '127.0.0.1:8445'];

/**
 * Lines that route a CA's TLS-ALPN-01 handshakes to the agent: before TLS is taken, since the agent answers them itself. The addresses of clients
 * get through by the PROXY protocol.
 */
export function tlsAlpn01Snippet(type: NamedTarget['type'], listen: string): string | undefined {
  const isSocket = listen.startsWith('/');
  if (type === 'haproxy') {
    const chroot = isSocket ? ' With "chroot" it looks for the socket below that folder.' : '';
    return `# In place of ":443" in the "bind" line of the frontend that takes TLS, so that it gets what is routed to it:
# bind abns@certbus-tls accept-proxy ssl … as above

# At the end, for TLS-ALPN-01.${chroot}
frontend certbus_route
  mode tcp
  bind :443
  tcp-request inspect-delay 5s
  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend certbus_tls_alpn_01 if { req.ssl_alpn acme-tls/1 }
  default_backend certbus_tls
backend certbus_tls_alpn_01
  mode tcp
  server agent ${isSocket ? `unix@${listen}` : listen}
backend certbus_tls
  mode tcp
  server frontend abns@certbus-tls send-proxy-v2
`;
  }
  if (type === 'nginx' || type === 'nginx-files') {
    return `# In place of "listen 443 ssl" in each server that takes TLS, so that it gets what is routed to it:
listen ${INNER} ssl proxy_protocol;
set_real_ip_from 127.0.0.1;
real_ip_header proxy_protocol;

# At the end, next to "http", for TLS-ALPN-01. Where stream is a module of its own: load_module modules/ngx_stream_module.so;
stream {
  map $ssl_preread_alpn_protocols $certbus_route {
    acme-tls/1 ${HOP};
    default ${INNER};
  }
  server {
    listen 443;
    ssl_preread on;
    proxy_protocol on;
    proxy_pass $certbus_route;
  }
  # The agent takes the handshake as the CA sent it, without the line of the PROXY protocol.
  server {
    listen ${HOP} proxy_protocol;
    proxy_pass ${isSocket ? `unix:${listen}` : listen};
  }
}
`;
  }
  return undefined;
}
