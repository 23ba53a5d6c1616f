/** What `init` prints works where it is pasted: real balancers start with it, and what the guides show is the same. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, startHaproxy, startNginx } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { createSite, type Site } from '../agent.builders.ts';
import { similar } from '../hooks/command-not-found.ts';
import { ask } from '../targets/haproxy/haproxy.builders.ts';
import { settled, shown } from '../targets/tls.builders.ts';
import { http01Snippet, orderFor, snippetFor } from './snippets.ts';

const program = fileURLToPath(new URL('../../bin/dev.js', import.meta.url));
const root = fileURLToPath(new URL('../../../..', import.meta.url));
/** One that no account announced: the agent answers that it does not know it. */
const TOKEN = 'unknown-'.repeat(5);

/** Runs `init`, and gives the sections that it prints by their headings. */
function init(site: Site, flags: Readonly<Record<string, string>>) {
  const given = {
    bus: 'sqlite:bus.db#test',
    trust: 'bus.pub',
    identity: 'loadbalancer.key',
    config: join(site.folder, 'agent.json'),
    'state-directory': join(site.folder, 'state'),
    ...flags,
  };
  const args = Object.entries(given).flatMap(([flag, value]) => [`--${flag}`, value]);
  const printed = execFileSync(process.execPath, ['--conditions=certbus:source', program, 'init', ...args], {
    cwd: site.folder,
    encoding: 'utf8',
  });
  const sections = printed.split(/^(?=# (?:In|At) )/m);
  return (heading: string) => sections.find((section) => section.startsWith(`# ${heading}`))?.split('\n\n')[0] ?? '';
}

const targetsOf = (site: Site) => JSON.parse(readFileSync(join(site.folder, 'agent.json'), 'utf8'));

async function challenge(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/${TOKEN}`)).text();
}

test('HAProxy starts with the printed lines, shows the certificates, and sends challenges to the agent', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const [tls, http, agentPort] = [await freePort(), await freePort(), await freePort()];
  const [folder, socket] = [join(site.folder, 'haproxy'), join(site.folder, 'admin.sock')];
  const section = init(site, { target: 'haproxy', folder, socket, http01: `127.0.0.1:${agentPort}` });
  const { targets, http01, stateDirectory } = targetsOf(site);
  expect(stateDirectory).toBe(join(site.folder, 'state'));
  const file = join(site.folder, 'haproxy.cfg');
  const before = `global
${section('In "global"').replace('group certbus-agent ', '')}
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
frontend http
  bind 127.0.0.1:${http}
`;
  writeFileSync(file, before);
  const old = await startHaproxy(file, { port: http });
  const agent = await site.start(targets, { http01 });
  await agent.started;
  // One that runs without the list takes nothing away: the files are there for its next start.
  expect(agent.status().targets[0]?.error?.message).toContain(`HAProxy does not use ${folder}/crt-list.txt yet`);
  expect(readFileSync(join(folder, 'crt-list.txt'), 'utf8')).toBe(`${folder}/a.test.pem\n`);
  await old.stop();
  writeFileSync(
    file,
    `${before}
${section('In the frontend that listens on port 80')}
${section('At the end')}
frontend tls
${section('In the frontend that takes TLS').replace(':443', `127.0.0.1:${tls}`)}
`,
  );
  const haproxy = await startHaproxy(file, { port: tls });
  onTestFinished(() => haproxy.stop());
  expect(await shown(tls, 'a.test')).toBeDefined();
  expect(await challenge(http)).toBe('not a challenge of this bus\n');
  expect(await ask(socket, 'show ssl cert')).toContain(`${folder}/a.test.pem`);
});

test('nginx starts with the printed lines, shows the certificates, and sends challenges to the agent', async () => {
  const site = await createSite();
  chmodSync(site.folder, 0o755);
  await site.bus.issue(['a.test']);
  const [tls, http, agentPort] = [await freePort(), await freePort(), await freePort()];
  const socket = join(site.folder, 'admin', 'admin.sock');
  const prefix = join(site.folder, 'nginx');
  for (const folder of [join(site.folder, 'admin'), join(prefix, 'logs')]) mkdirSync(folder, { recursive: true });
  // The token is for those who can read the identity.
  chmodSync(join(site.folder, 'loadbalancer.key'), 0o400);
  const section = init(site, { target: 'nginx', folder: site.folder, socket, http01: `127.0.0.1:${agentPort}` });
  expect(statSync(join(site.folder, 'nginx-token.conf')).mode & 0o777).toBe(0o400);
  const file = join(prefix, 'nginx.conf');
  writeFileSync(
    file,
    `user root; pid ${prefix}/nginx.pid; error_log ${prefix}/logs/error.log;
events {}
http {
  access_log off;
  client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy; fastcgi_temp_path ${prefix}/fastcgi;
  uwsgi_temp_path ${prefix}/uwsgi; scgi_temp_path ${prefix}/scgi;
${section('In "http"')}
server {
  listen 127.0.0.1:${tls} ssl;
${section('In each server that takes TLS')}
}
server {
  listen 127.0.0.1:${http};
${section('In the server that listens on port 80')}
}
}
`,
  );
  const nginx = await startNginx(file, { prefix, port: tls });
  onTestFinished(() => nginx.stop());
  const { targets, http01 } = targetsOf(site);
  await site.start(targets, { http01 });
  await settled(async () => expect(await shown(tls, 'a.test')).toBeDefined());
  expect(await challenge(http)).toBe('not a challenge of this bus\n');
});

test('a port that is taken ends the agent, and says what to do', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const targets = [{ type: 'files', folder: join(site.folder, 'certs') }];
  const missing = join(site.folder, 'nowhere', 'http01.sock');
  await expect(site.start(targets, { http01: { listen: missing } })).rejects.toMatchObject({
    code: 'CERTBUS_AGENT_CONFIG_INVALID',
    message: expect.stringContaining('The folder of the socket must be there'),
  });
  expect(existsSync(missing)).toBe(false);
});

test.each([
  ['statu', ['status']],
  ['chek', ['check']],
  ['nonsense', []],
])('"%s" is like %j', (typed, expected) => {
  expect(similar(typed, ['check', 'init', 'once', 'pause', 'resume', 'run', 'status'])).toEqual(expected);
});

test('the guides show what init prints', () => {
  const places = {
    scripts: '/usr/lib/node_modules/certbus-agent/nginx',
    systemd: '/usr/lib/node_modules/certbus-agent/systemd',
  };
  const name = { name: 'x' };
  const haproxy = {
    ...name,
    type: 'haproxy' as const,
    folder: '/var/lib/certbus-agent/haproxy',
    socket: '/run/haproxy/admin.sock',
  };
  const nginx = {
    ...name,
    type: 'nginx' as const,
    socket: '/run/certbus-nginx/admin.sock',
    tokenFile: '/etc/certbus/nginx-token.conf',
  };
  const nginxFiles = {
    ...name,
    type: 'nginx-files' as const,
    folder: '/var/lib/certbus-nginx',
    group: 'www-data',
    after: { command: ['/usr/bin/systemctl', 'reload', 'nginx.service'] },
  };
  expect(readFileSync(join(root, 'docs', 'guides', 'nginx.md'), 'utf8')).toContain(snippetFor(nginxFiles, places));
  for (const target of [haproxy, nginx]) {
    const guide = readFileSync(join(root, 'docs', 'guides', `${target.type}.md`), 'utf8');
    expect(guide).toContain(snippetFor(target, places));
    expect(guide).toContain(http01Snippet(target.type, '127.0.0.1:8402'));
    expect(guide).toContain(orderFor(target.type));
  }
});
