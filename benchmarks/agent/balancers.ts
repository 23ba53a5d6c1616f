/** HAProxy and nginx, set up for the agent. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type Service, startHaproxy, startNginx } from 'certbus-services';

/** A balancer, and the target that feeds it. */
export interface BenchBalancer {
  readonly port: number;
  readonly target: Readonly<Record<string, unknown>>;
  /** HAProxy's admin socket, or nginx's. */
  readonly socket: string;
  /** Where HAProxy's files are. */
  readonly certificates: string;
  start(): Promise<Service>;
}

/** HAProxy reads 10,000 certificates at its start, on a machine that may have other work. */
const START_MS = 300_000;
const SCRIPTS = fileURLToPath(new URL('../../apps/agent/nginx', import.meta.url));

/** A HAProxy in a folder. */
export async function haproxyIn(folder: string): Promise<BenchBalancer> {
  const port = await freePort();
  const [socket, certificates, file] = [join(folder, 'admin.sock'), join(folder, 'certs'), join(folder, 'haproxy.cfg')];
  writeFileSync(
    file,
    `global
  nbthread 1
  stats socket ${socket} mode 600 level admin
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
frontend tls
  bind 127.0.0.1:${port} ssl crt-list ${certificates}/crt-list.txt strict-sni
  http-request return status 200
`,
  );
  const target = { type: 'haproxy', socket, folder: certificates };
  return { port, target, socket, certificates, start: () => startHaproxy(file, { port, timeoutMs: START_MS }) };
}

/** An nginx with njs in a folder. */
export async function nginxIn(folder: string): Promise<BenchBalancer> {
  const port = await freePort();
  const [socket, tokenFile, file] = [
    join(folder, 'nginx.sock'),
    join(folder, 'token.conf'),
    join(folder, 'nginx.conf'),
  ];
  mkdirSync(join(folder, 'logs'), { recursive: true });
  writeFileSync(tokenFile, 'default "token-of-the-benchmark";\n', { mode: 0o600 });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  writeFileSync(
    file,
    `worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/logs/error.log warn;
events { worker_connections 256; }
http {
  access_log off; ${temporary.join(' ')}
  js_path ${SCRIPTS}; js_import certbus from certbus.js; js_shared_dict_zone zone=certbus:128M;
  js_set $certbus_chain certbus.chain; js_set $certbus_key certbus.key;
  map "" $certbus_token { include ${tokenFile}; }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate data:$certbus_chain; ssl_certificate_key data:$certbus_key;
    location / { return 200 "ok\\n"; }
  }
  server {
    listen unix:${socket};
    client_body_buffer_size 256k; client_max_body_size 256k;
    location /certbus/ { js_content certbus.admin; }
  }
}
`,
  );
  return {
    port,
    target: { type: 'nginx', socket, tokenFile },
    socket,
    certificates: folder,
    start() {
      rmSync(socket, { force: true });
      return startNginx(file, { port, prefix: folder, timeoutMs: START_MS });
    },
  };
}
