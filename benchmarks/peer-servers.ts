/** nginx and HAProxy as Debian ships them, with a certificate for each name. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, installDebianPackage, startService, temporaryFolder } from 'certbus-services';
import type { HotCertificate } from './edge-site.ts';
import { type MeasuredServer, onServerCore } from './handshakes.ts';

const NGINX = { name: 'nginx', version: '1.22.1-9+deb12u9' };
const HAPROXY = { name: 'haproxy', version: '2.6.12-1+deb12u3' };
/** Libraries of HAProxy that a machine without it lacks. */
const LIBRARIES = [
  { name: 'liblua5.3-0', version: '5.3.6-2' },
  { name: 'libopentracing-c-wrapper0', version: '1.1.3-3+b1' },
];

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
    const program = join(await installDebianPackage(NGINX.name, NGINX.version), 'usr/sbin/nginx');
    return { program, args: ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', 'stderr'] };
  });

/** HAProxy with one thread and a folder of certificates. */
export const startHaproxy = (certificates: readonly HotCertificate[]): Promise<MeasuredServer> =>
  start(async (folder, port) => {
    mkdirSync(join(folder, 'certificates'));
    for (const { name, certificate, privateKey } of certificates)
      writeFileSync(join(folder, 'certificates', `${name}.pem`), certificate + privateKey, { mode: 0o600 });
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
    const folders: string[] = [];
    for (const { name, version } of LIBRARIES) folders.push(await installDebianPackage(name, version));
    const libraries = folders.map((it) =>
      join(it, `usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`),
    );
    const program = join(await installDebianPackage(HAPROXY.name, HAPROXY.version), 'usr/sbin/haproxy');
    return { program, args: ['-db', '-f', join(folder, 'haproxy.cfg')], env: { LD_LIBRARY_PATH: libraries.join(':') } };
  });
