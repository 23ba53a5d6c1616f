/** nginx and HAProxy as Debian ships them, with a certificate for each name. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { findHaproxy, findNginxWithLua, freePort, startService, temporaryFolder } from 'certbus-services';
import type { HotCertificate } from './edge-site.ts';
import { type MeasuredServer, onServerCore } from './handshakes.ts';

/** CPU time of a process's only thread so far, as the scheduler counts it. */
const cpuUs = (pid: number): number => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e3;

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

interface Start {
  readonly folder: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

async function start(
  prepare: (folder: string, port: number) => Promise<Omit<Start, 'folder'>>,
): Promise<MeasuredServer> {
  const { path: folder, remove } = temporaryFolder();
  const port = await freePort();
  const { program, args, env = {} } = await prepare(folder, port);
  const [command = program, ...all] = [...onServerCore, program, ...args];
  const service = await startService(command, all, { env, isReady: () => isListening(port) });
  return {
    port,
    waits: true,
    cpuUs: async () => cpuUs(service.pid),
    async stop() {
      await service.stop();
      remove();
    },
  };
}

/** nginx with one worker and a server block for each name. */
export const startNginx = (certificates: readonly HotCertificate[]): Promise<MeasuredServer> =>
  start(async (folder, port) => {
    const blocks = certificates.map(({ name, certificate, privateKey }) => {
      const file = join(folder, name);
      writeFileSync(`${file}.crt`, certificate);
      writeFileSync(`${file}.key`, privateKey, { mode: 0o600 });
      return `server { listen 127.0.0.1:${port} ssl; server_name ${name}; ssl_certificate ${file}.crt; ssl_certificate_key ${file}.key; return 200 x; }`;
    });
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((it) => `${it}_temp_path ${folder}/tmp;`);
    const settings = `daemon off; master_process off; pid ${folder}/pid; error_log stderr crit; events { worker_connections 1024; }
http { access_log off; server_names_hash_max_size 65536; server_names_hash_bucket_size 128; ssl_protocols TLSv1.3; ssl_session_tickets on;
${paths.join(' ')}
${blocks.join('\n')} }`;
    writeFileSync(join(folder, 'nginx.conf'), settings);
    const { command: program, env } = await findNginxWithLua();
    return { program, args: ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', 'stderr'], env };
  });

/** HAProxy with one thread and a folder of certificates. */
export const startHaproxy = (certificates: readonly HotCertificate[]): Promise<MeasuredServer> =>
  start(async (folder, port) => {
    mkdirSync(join(folder, 'certificates'));
    for (const { name, certificate, privateKey } of certificates)
      writeFileSync(join(folder, 'certificates', `${name}.pem`), `${certificate}\n${privateKey}`, { mode: 0o600 });
    const settings = `global
  nbthread 1
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode http
  timeout client 10s
  timeout connect 10s
  timeout server 10s
frontend edge
  bind 127.0.0.1:${port} ssl crt ${folder}/certificates/
  http-request return status 200 content-type text/plain string x
`;
    writeFileSync(join(folder, 'haproxy.cfg'), settings);
    const { command: program, env } = await findHaproxy();
    return { program, args: ['-db', '-f', join(folder, 'haproxy.cfg')], env };
  });
