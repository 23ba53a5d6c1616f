/** `certbus-agent init` on a terminal: what it asks, and what it makes of the answers. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openTerminal, requirePart, type TerminalSession } from 'certbus-services';
import { describe, expect, test } from 'vitest';
import { createSite, type Site } from '../agent.builders.ts';
import { findBalancers } from '../init/answers.ts';

const program = fileURLToPath(new URL('../../bin/dev.js', import.meta.url));
const part = requirePart('tmux');
const COLUMNS = 160;

const init = ({ folder }: Site, ...flags: readonly string[]): Promise<TerminalSession> =>
  openTerminal([process.execPath, '--conditions=certbus:source', program, 'init', '--config', 'agent.json', ...flags], {
    columns: COLUMNS,
    rows: 200,
    cwd: folder,
    env: {
      HOME: folder,
      CERTBUS_STATE_DIR: join(folder, 'state'),
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '',
    },
  });

const written = ({ folder }: Site) => JSON.parse(readFileSync(join(folder, 'agent.json'), 'utf8'));

/** The line of each question that was asked, with what is in brackets. */
const questionsIn = (screen: string): readonly string[] =>
  [...screen.matchAll(/^(.*\?(?: Found here: .*;.* later\.)?(?: \[.*?\])?)(?: .*)?$/gm)].map(
    ([, question = '']) => question,
  );

const NONE = ' [none]';
const AT_THE_END = [
  `Answer HTTP-01 on HOST:PORT, such as 127.0.0.1:8402, or not?${NONE}`,
  `Answer TLS-ALPN-01 on HOST:PORT, such as 127.0.0.1:8403, or not?${NONE}`,
  `Serve /healthz and /metrics on a port, such as 9402, or not?${NONE}`,
  `URL of a dead man's switch?${NONE}`,
  `Name whose certificate clients without a server name get?${NONE}`,
];
const OF_ADDRESS = `HOST:PORT where it takes TLS, such as 127.0.0.1:443, to compare what it shows, or not?${NONE}`;

describe.skipIf(part.skip)(part.title('init on a terminal'), () => {
  test('asks for all that no flag says, again where there is no answer, and writes the answers', async () => {
    const site = await createSite();
    await using terminal = await init(site);
    const answers: readonly (readonly [string, string])[] = [
      ['Address of the bus?', ''],
      ['Address of the bus?', 'sqlite:bus.db#test'],
      ['Trust file? [/etc/certbus/bus.pub]', 'bus.pub'],
      ['Identity of this group of load balancers? [/etc/certbus/loadbalancer.key]', 'loadbalancer.key'],
      [`Where does the agent keep its replica, status and pauses? [${join(site.folder, 'state')}]`, ''],
      [`What is fed (haproxy, nginx, nginx-files, files)?`, 'nginx-files'],
      ['Where do the files go? [/var/lib/certbus-nginx]', 'certs'],
      [AT_THE_END[0] ?? '', '127.0.0.1:8402'],
      [AT_THE_END[1] ?? '', ''],
      [AT_THE_END[2] ?? '', '9402'],
      [AT_THE_END[3] ?? '', ''],
      [AT_THE_END[4] ?? '', 'www.a.test'],
      [OF_ADDRESS, '127.0.0.1:8443'],
    ];
    for (const [question, answer] of answers) {
      await terminal.waitFor(question);
      await terminal.type(answer);
    }
    expect(await terminal.ended()).toBe(0);
    expect(written(site)).toMatchObject({
      bus: `sqlite:${join(site.folder, 'bus.db')}#test`,
      trust: join(site.folder, 'bus.pub'),
      identity: join(site.folder, 'loadbalancer.key'),
      stateDirectory: join(site.folder, 'state'),
      http01: { listen: '127.0.0.1:8402' },
      endpoints: { port: 9402 },
      targets: [
        {
          type: 'nginx-files',
          folder: join(site.folder, 'certs'),
          default: 'www.a.test',
          address: '127.0.0.1:8443',
        },
      ],
    });
    expect(Object.keys(written(site))).not.toContain('tlsAlpn01');
  });

  test('proposes what is found here, asks for a socket where there is one, and for no address of what is compared in memory', async () => {
    const site = await createSite();
    const flags = ['--bus', 'sqlite:bus.db#test', '--trust', 'bus.pub', '--identity', 'loadbalancer.key'];
    await using terminal = await init(site, ...flags, '--state-directory', 'state');
    await terminal.waitFor(`[${findBalancers()[0] ?? 'files'}]`);
    await terminal.type('haproxy');
    const rest = [
      'Where do the files go? [/var/lib/certbus-agent/haproxy]',
      "The balancer's socket? [/run/haproxy/admin.sock]",
      ...AT_THE_END,
    ];
    for (const question of rest) {
      await terminal.waitFor(question);
      await terminal.type('');
    }
    expect(await terminal.ended()).toBe(0);
    expect(questionsIn(await terminal.screen()).slice(1)).toEqual(rest);
    expect(written(site).targets).toEqual([
      { type: 'haproxy', folder: '/var/lib/certbus-agent/haproxy', socket: '/run/haproxy/admin.sock' },
    ]);
  });

  test('asks nothing where every answer is a flag, and writes nothing where it is interrupted', async () => {
    const site = await createSite();
    const flags = {
      ...{ bus: 'sqlite:bus.db#test', trust: 'bus.pub', identity: 'loadbalancer.key', 'state-directory': 'state' },
      ...{ target: 'files', folder: 'certs', http01: 'none', 'tls-alpn01': 'none', endpoints: 'none' },
      ...{ 'check-in': 'none', default: 'none', address: '127.0.0.1:8443' },
    };
    const all = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    {
      await using terminal = await init(site, ...all.slice(0, -2));
      await terminal.waitFor(OF_ADDRESS);
      await terminal.press('C-c');
      expect(await terminal.ended()).not.toBe(0);
      expect(existsSync(join(site.folder, 'agent.json'))).toBe(false);
    }
    await using terminal = await init(site, ...all);
    expect(await terminal.ended()).toBe(0);
    expect(questionsIn(await terminal.screen())).toEqual([]);
    expect(written(site).targets).toEqual([
      { type: 'files', folder: join(site.folder, 'certs'), address: '127.0.0.1:8443' },
    ]);
  });
});
