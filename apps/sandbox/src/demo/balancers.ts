/** The kinds of load balancers that the demo can put in front. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startHaproxy, startNginx } from 'certbus-services';
import type { BalancerKind, BalancerStart } from './programs.ts';

const INTERVAL_MS = 1_000;
const NGINX_SCRIPTS = fileURLToPath(new URL('../../../agent/nginx', import.meta.url));

const bracketed = (host: string): string => (isIPv6(host) ? `[${host}]` : host);

/** The example server: Node with the client inside. */
const node: BalancerKind = ({ host, port, httpPort, start }) => {
  const places = ['--host', host, '--port', String(port), '--http-port', String(httpPort)];
  return start('certbus', ['example-server', ...places, '--interval', String(INTERVAL_MS)], 'listening');
};

/** Writes `agent.json` for one target, and starts the agent. */
function startAgent(
  { folder, name, start }: BalancerStart,
  own: { readonly home: string; readonly target: Readonly<Record<string, unknown>> },
): Promise<() => Promise<void>> {
  const configuration = {
    bus: `sqlite:${folder}/bus.db`,
    trust: join(folder, 'bus.pub'),
    identity: join(folder, 'loadbalancer.key'),
    intervalMs: INTERVAL_MS,
    http01: { listen: join(own.home, 'http01.sock') },
    targets: [{ name, ...own.target }],
  };
  const file = join(own.home, 'agent.json');
  writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 });
  return start('certbus-agent', ['run', '--config', file], 'ready');
}

/** A folder of one balancer's own. */
function homeOf({ folder, name }: BalancerStart): string {
  const home = join(folder, `balancer-${name}`);
  mkdirSync(home, { recursive: true, mode: 0o755 });
  return home;
}

/** HAProxy with the agent beside it. */
const haproxy: BalancerKind = async (options) => {
  const { host, port, httpPort } = options;
  const home = homeOf(options);
  const [socket, certificates, file] = [join(home, 'admin.sock'), join(home, 'certs'), join(home, 'haproxy.cfg')];
  writeFileSync(
    file,
    `global
  stats socket ${socket} mode 600 level admin
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
frontend tls
  bind ${host}:${port} ssl crt-list ${certificates}/crt-list.txt strict-sni
  http-request return status 200 content-type text/plain lf-string "Hello from HAProxy. You asked for %[path]\\n"
frontend plain
  bind ${host}:${httpPort}
  default_backend agent
backend agent
  server agent unix@${home}/http01.sock
`,
  );
  // HAProxy starts with the files that the agent has written.
  const stopAgent = await startAgent(options, { home, target: { type: 'haproxy', socket, folder: certificates } });
  const balancer = await startHaproxy(file, { host, port });
  return async () => {
    await balancer.stop();
    await stopAgent();
  };
};

/** nginx with njs, and the agent beside it. */
const nginx: BalancerKind = async (options) => {
  const { host, port, httpPort } = options;
  const home = homeOf(options);
  const [socket, tokenFile, file] = [join(home, 'certbus.sock'), join(home, 'token.conf'), join(home, 'nginx.conf')];
  mkdirSync(join(home, 'logs'), { recursive: true });
  rmSync(socket, { force: true });
  if (!existsSync(tokenFile)) {
    writeFileSync(tokenFile, `default "${randomBytes(24).toString('base64url')}";\n`, { mode: 0o600 });
  }
  // Its workers are to use the sockets of this user, as root they would be another one.
  const user = process.getuid?.() === 0 ? 'user root; ' : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${home}/${kind};`,
  );
  writeFileSync(
    file,
    `${user}worker_processes 1; pid ${home}/nginx.pid; error_log ${home}/logs/error.log warn;
events { worker_connections 256; }
http {
  access_log off; ${temporary.join(' ')}
  js_path ${NGINX_SCRIPTS}; js_import certbus from certbus.js; js_shared_dict_zone zone=certbus:8M;
  js_set $certbus_chain certbus.chain; js_set $certbus_key certbus.key;
  map "" $certbus_token { include ${tokenFile}; }
  server {
    listen ${bracketed(host)}:${port} ssl;
    ssl_certificate data:$certbus_chain; ssl_certificate_key data:$certbus_key;
    location / { return 200 "Hello from nginx. You asked for $uri\\n"; }
  }
  server {
    listen ${bracketed(host)}:${httpPort};
    location / { proxy_pass http://unix:${home}/http01.sock:; }
  }
  server {
    listen unix:${socket};
    client_body_buffer_size 256k; client_max_body_size 256k;
    location /certbus/ { js_content certbus.admin; }
  }
}
`,
  );
  const balancer = await startNginx(file, { host, port, prefix: home });
  const stopAgent = await startAgent(options, { home, target: { type: 'nginx', socket, tokenFile } });
  return async () => {
    await balancer.stop();
    await stopAgent();
  };
};

/** By the name that `--balancer` takes. */
export const BALANCERS: ReadonlyMap<string, BalancerKind> = new Map([
  ['node', node],
  ['haproxy', haproxy],
  ['nginx', nginx],
]);
