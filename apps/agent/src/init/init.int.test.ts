/** What `init` prints works where it is pasted: real balancers start with it, and what the guides show is the same. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { createId } from '@certbus/events';
import { freePort, startHaproxy, startNginx } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { createSite, type Site } from '../agent.builders.ts';
import { similar } from '../hooks/command-not-found.ts';
import { ask } from '../targets/haproxy/haproxy.builders.ts';
import { settled, shown } from '../targets/tls.builders.ts';
import { shippedProblem } from './shipped.ts';
import { http01Snippet, orderFor, snippetFor, tlsAlpn01Snippet } from './snippets.ts';

const program = fileURLToPath(new URL('../../bin/dev.js', import.meta.url));
const root = fileURLToPath(new URL('../../../..', import.meta.url));
/** One that no account announced: the agent answers that it does not know it. */
const TOKEN = 'unknown-'.repeat(5);
/** A visitor's address, which is not that of what is routed within the machine. */
const VISITOR = '127.0.0.7';

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

/** Asks a balancer as a CA that validates TLS-ALPN-01 (RFC 8737 section 3). Resolves with whether it is shown the proof of this challenge. */
const isProved = (port: number, servername: string, keyAuthorization: string): Promise<boolean> =>
  new Promise((resolve) => {
    const options = { port, host: '127.0.0.1', servername, ALPNProtocols: ['acme-tls/1'], rejectUnauthorized: false };
    const socket = connect(options, () => {
      const digest = createHash('sha256').update(keyAuthorization).digest();
      resolve(socket.alpnProtocol === 'acme-tls/1' && socket.getPeerX509Certificate()?.raw.includes(digest) === true);
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
  });

/** Announces a TLS-ALPN-01 challenge on the bus of a site, and resolves with its key authorization. */
async function announce({ bus }: Site, identifier: string): Promise<string> {
  const [token, thumbprint] = [Buffer.alloc(32, 2).toString('base64url'), Buffer.alloc(32, 1).toString('base64url')];
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const [issuanceId, challengeType] = [createId(), 'tls-alpn-01' as const];
  await bus.append({
    ...{ type: 'ChallengePresented', issuanceId, identifier, token, thumbprint, challengeType, expiresAt },
  });
  return `${token}.${thumbprint}`;
}

async function challenge(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/${TOKEN}`)).text();
}

/** What a balancer answers over TLS: here the address that it sees a client at. */
const visit = (port: number, servername: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', servername, localAddress: VISITOR, rejectUnauthorized: false };
    get(options, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk)).on('end', () => resolve(text));
    }).on('error', reject);
  });

test('HAProxy starts with the printed lines, shows the certificates, and sends challenges to the agent', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const [tls, http, agentPort, alpnPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const [folder, socket] = [join(site.folder, 'haproxy'), join(site.folder, 'admin.sock')];
  const listening = { http01: `127.0.0.1:${agentPort}`, 'tls-alpn01': `127.0.0.1:${alpnPort}` };
  const section = init(site, { target: 'haproxy', folder, socket, ...listening });
  const { targets, http01, tlsAlpn01, stateDirectory } = targetsOf(site);
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
  const agent = await site.start(targets, { http01, tlsAlpn01 });
  await agent.started;
  // One that runs without the list takes nothing away: the files are there for its next start.
  expect(agent.status().targets[0]?.error?.message).toContain(`HAProxy does not use ${folder}/crt-list.txt yet`);
  expect(readFileSync(join(folder, 'crt-list.txt'), 'utf8')).toBe(`${folder}/a.test.pem\n`);
  await old.stop();
  // Abstract sockets are of the whole machine, where other tests run.
  const here = (text: string) => text.replaceAll('abns@certbus-tls', `abns@certbus-tls-${tls}`);
  expect(section('In place of ":443"')).toContain('# bind abns@certbus-tls accept-proxy ssl ');
  const listensOn80 = section('In the frontend that listens on port 80');
  const [unless] = /unless .*/.exec(listensOn80) ?? [];
  writeFileSync(
    file,
    `${before}
  http-request redirect scheme https ${unless}
${listensOn80}
${section('At the end.')}
${here(section('At the end, for TLS-ALPN-01')).replace(':443', `127.0.0.1:${tls}`)}
frontend tls
${here(section('In the frontend that takes TLS').replace(':443', 'abns@certbus-tls accept-proxy'))}
  http-request return status 200 content-type text/plain lf-string "%[src]"
`,
  );
  const haproxy = await startHaproxy(file, { port: tls });
  onTestFinished(() => haproxy.stop());
  expect(await shown(tls, 'a.test')).toBeDefined();
  expect(await visit(tls, 'a.test')).toBe(VISITOR);
  const keyAuthorization = await announce(site, 'a.test');
  await settled(async () => expect(await isProved(tls, 'a.test', keyAuthorization)).toBe(true));
  expect(await isProved(tls, 'b.test', keyAuthorization)).toBe(false);
  expect(await challenge(http)).toBe('not a challenge of this bus\n');
  expect(await ask(socket, 'show ssl cert')).toContain(`${folder}/a.test.pem`);
});

test('nginx starts with the printed lines, shows the certificates, and sends challenges to the agent', async () => {
  const site = await createSite();
  chmodSync(site.folder, 0o755);
  await site.bus.issue(['a.test']);
  const [tls, http, agentPort, alpnPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const [inner, hop] = [await freePort(), await freePort()];
  const socket = join(site.folder, 'admin', 'admin.sock');
  const prefix = join(site.folder, 'nginx');
  // As Debian has it for all servers.
  const accessLog = join(prefix, 'logs', 'access.log');
  for (const folder of [join(site.folder, 'admin'), join(prefix, 'logs')]) mkdirSync(folder, { recursive: true });
  // The token is for those who can read the identity.
  chmodSync(join(site.folder, 'loadbalancer.key'), 0o400);
  const listening = { http01: `127.0.0.1:${agentPort}`, 'tls-alpn01': `127.0.0.1:${alpnPort}` };
  const section = init(site, { target: 'nginx', folder: site.folder, socket, ...listening });
  const here = (text: string) =>
    text
      .replaceAll(':8444', `:${inner}`)
      .replaceAll(':8445', `:${hop}`)
      .replace('listen 443', `listen 127.0.0.1:${tls}`);
  for (const made of ['nginx-token.conf', 'agent.json'])
    expect(statSync(join(site.folder, made)).mode & 0o777).toBe(0o400);
  const file = join(prefix, 'nginx.conf');
  writeFileSync(
    file,
    `user root; pid ${prefix}/nginx.pid; error_log ${prefix}/logs/error.log;
events {}
http {
  access_log ${accessLog};
  client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy; fastcgi_temp_path ${prefix}/fastcgi;
  uwsgi_temp_path ${prefix}/uwsgi; scgi_temp_path ${prefix}/scgi;
${section('In "http"')}
server {
${here(section('In place of "listen 443 ssl"'))}
${section('In each server that takes TLS')}
  location / { return 200 $remote_addr; }
}
server {
  listen 127.0.0.1:${http};
${section('In the server that listens on port 80')}
  location / { return 301 https://$host$request_uri; }
}
}
${here(section('At the end, next to "http"'))}
`,
  );
  const nginx = await startNginx(file, { prefix, port: tls });
  onTestFinished(() => nginx.stop());
  const { targets, http01, tlsAlpn01 } = targetsOf(site);
  await site.start(targets, { http01, tlsAlpn01 });
  await settled(async () => expect(await shown(tls, 'a.test')).toBeDefined());
  expect(await visit(tls, 'a.test')).toBe(VISITOR);
  const keyAuthorization = await announce(site, 'a.test');
  await settled(async () => expect(await isProved(tls, 'a.test', keyAuthorization)).toBe(true));
  expect(await isProved(tls, 'b.test', keyAuthorization)).toBe(false);
  expect(await challenge(http)).toBe('not a challenge of this bus\n');
  expect(section('In the server that listens on port 80')).toContain('put that into "location / { }"');
  // The agent's own questions would fill it.
  const logged = () => readFileSync(accessLog, 'utf8');
  // nginx logs a request after it has answered it.
  await settled(() => expect(logged()).toContain('/.well-known/acme-challenge/'));
  expect(logged()).not.toContain('/certbus/');
});

test('a port that is taken ends the agent, and says what to do', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const targets = [{ type: 'files', folder: join(site.folder, 'certs') }];
  const missing = join(site.folder, 'nowhere', 'challenges.sock');
  for (const field of ['http01', 'tlsAlpn01']) {
    await expect(site.start(targets, { [field]: { listen: missing } })).rejects.toMatchObject({
      code: 'CERTBUS_AGENT_CONFIG_INVALID',
      message: expect.stringMatching(`"${field}" in the configuration .*The folder of the socket must be there`),
    });
  }
  expect(existsSync(missing)).toBe(false);
});

test.each([
  ['statu', ['status']],
  ['chek', ['check']],
  ['nonsense', []],
])('"%s" is like %j', (typed, expected) => {
  expect(similar(typed, ['check', 'init', 'once', 'pause', 'resume', 'run', 'status'])).toEqual(expected);
});

test('files that root uses and another user can change are named', async () => {
  const { folder } = await createSite();
  const [scripts, systemd] = [join(folder, 'scripts'), join(folder, 'systemd')];
  for (const each of [scripts, systemd]) mkdirSync(each, { mode: 0o755 });
  const script = join(scripts, 'certbus.js');
  writeFileSync(script, '');
  chmodSync(script, 0o666);
  expect(shippedProblem('nginx', { scripts, systemd })).toContain(`${script} can be written by others (mode 0666)`);
  expect(shippedProblem('haproxy', { scripts, systemd })).toBeUndefined();
});

test('the guides show what init prints', () => {
  const places = {
    scripts: '/opt/certbus-agent/node_modules/certbus-agent/nginx',
    systemd: '/opt/certbus-agent/node_modules/certbus-agent/systemd',
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
    expect(guide).toContain(tlsAlpn01Snippet(target.type, '127.0.0.1:8403'));
    expect(guide).toContain(orderFor(target.type));
  }
});
