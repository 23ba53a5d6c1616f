/** A real nginx for the tests: with certificates in its memory, or in files. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTlsIdentity, findNginx, findNginxWithLua, freePort, startNginx } from 'certbus-services';
import { expect, onTestFinished } from 'vitest';
import type { Site } from '../../agent.builders.ts';
import type { CreateBalancer } from '../../conformance/balancer.builders.ts';
import { settled } from '../tls.builders.ts';
import { mapBlocks } from './map.ts';
import { formatToken } from './token.ts';

const SCRIPTS = fileURLToPath(new URL('../../../nginx', import.meta.url));
const TOKEN = '0123456789abcdef'.repeat(2);

/** An nginx other than that with njs, and what it needs in its environment. */
type Program = Pick<Awaited<ReturnType<typeof findNginxWithLua>>, 'command' | 'env'>;

/** Writes a configuration, and gives what starts nginx with it. */
async function setUp(
  site: Site,
  write: (prefix: string, port: number) => string,
  {
    program,
    first = '',
    user = 'root',
  }: { readonly program?: Program; readonly first?: string; readonly user?: string } = {},
) {
  const port = await freePort();
  const prefix = join(site.folder, 'nginx');
  mkdirSync(join(prefix, 'logs'), { recursive: true });
  // Its workers are another user.
  chmodSync(site.folder, 0o755);
  const file = join(prefix, 'nginx.conf');
  writeFileSync(
    file,
    `${first}user ${user}; worker_processes 2; pid ${prefix}/nginx.pid; error_log ${prefix}/logs/error.log warn;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy; fastcgi_temp_path ${prefix}/fastcgi;
  uwsgi_temp_path ${prefix}/uwsgi; scgi_temp_path ${prefix}/scgi;
${write(prefix, port)}
}
`,
  );
  const errors = join(prefix, 'logs', 'error.log');
  return {
    port,
    prefix,
    file,
    async start() {
      const service = await startNginx(file, { prefix, port }, program);
      onTestFinished(() => service.stop());
      return service;
    },
    log: () => (existsSync(errors) ? readFileSync(errors, 'utf8') : ''),
  };
}

/** Sends a request to the socket of the script. */
const send = (socketPath: string, method: string, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    request({ socketPath, method, path, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk)).on('end', () => resolve(text));
    })
      .on('error', reject)
      .end();
  });

/** What a script needs in nginx's configuration. */
interface Script {
  /** In "http". */
  readonly http: string;
  /** In the server that takes TLS. */
  readonly tls: string;
  /** In the location of the socket. */
  readonly admin: string;
}

/** Sets an nginx up whose memory a script fills. */
async function setUpWithMemory(site: Site, script: Script, program?: Parameters<typeof setUp>[2]) {
  const admin = join(site.folder, 'admin');
  mkdirSync(admin, { mode: 0o750 });
  const socket = join(admin, 'certbus.sock');
  const tokenFile = join(site.folder, 'nginx-token.conf');
  writeFileSync(tokenFile, formatToken(TOKEN), { mode: 0o600 });
  const nginx = await setUp(
    site,
    (_, port) => `  ${script.http}
  map "" $certbus_token { include ${tokenFile}; }
  server {
    listen 127.0.0.1:${port} ssl;
    ${script.tls}
    location / { return 200 "ok\\n"; }
  }
  server {
    listen unix:${socket};
    client_body_buffer_size 256k; client_max_body_size 256k;
    location /certbus/ { ${script.admin} }
  }`,
    program,
  );
  const own = (method: string, path: string) => send(socket, method, path);
  return {
    ...nginx,
    target: { type: 'nginx', socket, tokenFile },
    keepsOverRestart: false,
    killedAt: 5,
    async start() {
      // One that was killed leaves its socket, and does not start again over it.
      rmSync(socket, { force: true });
      return nginx.start();
    },
    async meddle(name: string) {
      const lines = (await own('GET', '/certbus/certificates')).split('\n');
      const id = lines.find((line) => line.split(' ').includes(name))?.split(' ')[0];
      await own('DELETE', `/certbus/certificates/${id}`);
    },
    send: own,
  };
}

/** Sets an nginx with njs up whose memory has a size, and other parameters. */
export const createNginxOf =
  (zone: string, more?: Parameters<typeof setUp>[2]) =>
  (site: Site): ReturnType<typeof setUpWithMemory> =>
    setUpWithMemory(
      site,
      {
        http: `js_path ${SCRIPTS}; js_import certbus from certbus.js; js_shared_dict_zone zone=certbus:${zone};
  js_set $certbus_chain certbus.chain; js_set $certbus_key certbus.key;`,
        tls: 'ssl_certificate data:$certbus_chain; ssl_certificate_key data:$certbus_key;',
        admin: 'js_content certbus.admin;',
      },
      more,
    );

/** Sets an nginx with njs up. */
export const createNginx: CreateBalancer = createNginxOf('8M');

/** The user of nginx's workers, where this process can start them as another one. */
const WORKER = process.getuid?.() === 0 ? 'daemon' : undefined;

/** Sets an nginx with njs up that saves its memory to a file, and starts with that. */
export const createNginxWithState = async (site: Site) => {
  const folder = join(site.folder, 'zone');
  mkdirSync(folder, { mode: 0o700 });
  if (WORKER) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, WORKER], { encoding: 'utf8' })));
    chownSync(folder, uid ?? 0, gid ?? 0);
  }
  const stateFile = join(folder, 'certbus.json');
  const balancer = await createNginxOf(`8M state=${stateFile}`, WORKER ? { user: WORKER } : {})(site);
  const saved = () => (existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, 'utf8') || '{}') : {});
  return {
    ...balancer,
    stateFile,
    keepsOverRestart: true,
    async start() {
      const service = await balancer.start();
      return {
        ...service,
        /** Ends it once its file has what the agent wrote last: nginx saves a second after a change. */
        async stop() {
          await settled(async () =>
            expect(saved()['e:']?.value ?? '').toBe(await balancer.send('GET', '/certbus/epoch')),
          );
          await service.stop();
        },
      };
    },
  };
};

/** Sets an nginx with Lua up whose memory has a size, which starts with the agent's files. */
export const createNginxWithLuaOf = (size: string) => async (site: Site) => {
  const program = await findNginxWithLua();
  const { modules, libraries } = program;
  const { certificate, key } = await createTlsIdentity();
  const placeholder = join(site.folder, 'placeholder.pem');
  writeFileSync(placeholder, `${certificate}\n${key}`, { mode: 0o600 });
  const folder = join(site.folder, 'certs');
  const run = (what: string) => `_by_lua_block { require("certbus").${what} }`;
  const balancer = await setUpWithMemory(
    site,
    {
      http: `lua_package_path "${SCRIPTS}/?.lua;${libraries}/?.lua;;"; lua_shared_dict certbus ${size};
  init${run(`fill("${folder}")`)}`,
      tls: `ssl_certificate ${placeholder}; ssl_certificate_key ${placeholder}; ssl_certificate${run('certificate()')}`,
      admin: `content${run('admin()')}`,
    },
    {
      program,
      first: `load_module ${modules}/ndk_http_module.so; load_module ${modules}/ngx_http_lua_module.so;\n`,
    },
  );
  return { ...balancer, target: { ...balancer.target, folder }, keepsOverRestart: true, killedAt: 13 };
};

/** Sets an nginx with Lua up. */
export const createNginxWithLua: CreateBalancer = createNginxWithLuaOf('8m');

/** Which nginx reads files: Debian's 1.22, as it is without a module, or 1.31 from PyPI. */
export type NginxVersion = '1.22' | '1.31';

async function findVersion(version: NginxVersion): Promise<Program> {
  if (version === '1.31') return { command: await findNginx(), env: {} };
  const { command, env } = await findNginxWithLua();
  return { command, env };
}

/** Sets an nginx of a version up that reads files and is reloaded. */
export const createNginxWithFilesOf = (version: NginxVersion) =>
  (async (site) => {
    const found = await findVersion(version);
    const folder = join(site.folder, 'certs');
    const { http, server } = mapBlocks(folder);
    const nginx = await setUp(
      site,
      (_, port) => `${http}
  server {
    listen 127.0.0.1:${port} ssl;
    ${server}
    location / { return 200 "ok\\n"; }
  }`,
      { program: found },
    );
    const { prefix, file } = nginx;
    const { command: program, env } = found;
    const script = (name: string, line: string) => {
      const path = join(site.folder, name);
      writeFileSync(path, `#!/bin/sh\n${line}\n`, { mode: 0o700 });
      return { command: [path] };
    };
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value} `);
    const own = `env ${variables.join('')}${program} -p ${prefix} -c ${file}`;
    // What nginx refuses is named in a file here: with variables in the paths it refuses no pair itself.
    const refused = join(site.folder, 'refused');
    const check = script(
      'test',
      `if [ -e ${refused} ]; then echo "cannot load $(cat ${refused})"; exit 1; fi\nexec ${own} -t`,
    );
    // One that does not run is started with the files.
    const reload = script('reload', `[ ! -s ${prefix}/nginx.pid ] || exec ${own} -s reload`);
    const target = { type: 'nginx-files', folder, windowMs: 0, test: check, after: reload };
    return {
      ...nginx,
      target,
      inOtherForm: { ...target, keyEncoding: 'traditional' },
      keepsOverRestart: true,
      killedAt: 17,
      /** Whether nginx takes its configuration. */
      isTaken: () => spawnSync(program, ['-p', prefix, '-c', file, '-t'], { env, stdio: 'ignore' }).status === 0,
      meddle: async (name: string) => writeFileSync(join(folder, 'current', `${name}.pem`), 'meddled with'),
    };
  }) satisfies CreateBalancer;
