import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { freePort, requirePart, startHaproxy } from 'certbus-services';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSite, type Site } from '../../agent.builders.ts';
import { settled, shown } from '../tls.builders.ts';

const part = requirePart('haproxy');

const ask = (path: string, command: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = '';
    const socket = connectSocket(path, () => socket.write(`${command}\n`));
    socket
      .on('data', (chunk) => (text += chunk))
      .on('end', () => resolve(text))
      .on('error', reject);
  });

interface Balancer {
  readonly port: number;
  readonly socket: string;
  readonly folder: string;
  start(): Promise<{ stop(): Promise<void> }>;
}

async function balancerOf(site: Site, { isStrict = true, bind = '' } = {}): Promise<Balancer> {
  const port = await freePort();
  const folder = join(site.folder, 'haproxy');
  const socket = join(site.folder, 'admin.sock');
  const file = join(site.folder, 'haproxy.cfg');
  const strict = isStrict ? 'strict-sni' : '';
  writeFileSync(
    file,
    `global
  stats socket ${socket} mode 600 level admin
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
frontend tls
  bind 127.0.0.1:${port} ssl ${bind} crt-list ${folder}/crt-list.txt ${strict}
  http-request return status 200 content-type text/plain string ok
`,
  );
  return {
    port,
    socket,
    folder,
    async start() {
      const service = await startHaproxy(file, port);
      onTestFinished(() => service.stop());
      return service;
    },
  };
}

describe.skipIf(part.skip)(part.title('the target HAProxy'), () => {
  test('renews, adds and removes without a reload, and starts from the files', async () => {
    const site = await createSite();
    const one = await site.bus.issue(['one.test']);
    const wild = await site.bus.issue(['*.two.test', 'two.test']);
    const balancer = await balancerOf(site);
    const { port, socket, folder } = balancer;
    const agent = await site.start([{ type: 'haproxy', socket, folder }]);
    await agent.started;
    // The balancer is not there yet: its files are.
    expect(agent.status().targets[0]?.error?.message).toContain('Is HAProxy running');
    const first = await balancer.start();
    expect(await shown(port, 'one.test')).toBe(one.serialNumber);
    expect(await shown(port, 'A.two.test')).toBe(wild.serialNumber);
    expect(await shown(port, 'unknown.test')).toBeUndefined();
    await settled(async () => expect(agent.status().targets[0]?.error).toBeNull());
    const renewed = await site.bus.issue(['one.test']);
    await settled(async () => expect(await shown(port, 'one.test')).toBe(renewed.serialNumber));
    const added = await site.bus.issue(['three.test']);
    await settled(async () => expect(await shown(port, 'three.test')).toBe(added.serialNumber));
    await site.bus.remove(wild.certificateId);
    await settled(async () => expect(await shown(port, 'two.test')).toBeUndefined());
    await first.stop();
    await balancer.start();
    expect(await shown(port, 'one.test')).toBe(renewed.serialNumber);
    expect(await shown(port, 'three.test')).toBe(added.serialNumber);
    expect(await shown(port, 'two.test')).toBeUndefined();
    expect(site.lines.join('\n')).not.toContain('PRIVATE KEY');
  });

  test('ends a transaction that somebody left open, and serves no name with another certificate', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const b = await site.bus.issue(['b.test']);
    const balancer = await balancerOf(site);
    const { port, socket, folder } = balancer;
    const agent = await site.start([{ type: 'haproxy', socket, folder }]);
    await agent.started;
    await balancer.start();
    const pem = readFileSync(join(folder, 'b.test.pem'), 'utf8').trimEnd();
    expect(await ask(socket, `set ssl cert ${folder}/b.test.pem <<\n${pem}\n`)).toContain('Transaction created');
    const renewed = await site.bus.issue(['a.test']);
    await settled(async () => expect(await shown(port, 'a.test')).toBe(renewed.serialNumber));
    expect(await shown(port, 'b.test')).toBe(b.serialNumber);
    expect(await ask(socket, 'show ssl cert')).not.toContain('*');
  });

  test('puts right what somebody else changed in its memory, and gives the default certificate', async () => {
    const site = await createSite();
    const a = await site.bus.issue(['a.test']);
    const b = await site.bus.issue(['b.test']);
    const balancer = await balancerOf(site, { isStrict: false, bind: `crt ${site.folder}/haproxy/default.pem` });
    const { port, socket, folder } = balancer;
    const target = { type: 'haproxy', socket, folder, default: 'b.test' };
    const first = await site.start([target]);
    await first.started;
    await balancer.start();
    expect(await shown(port)).toBe(b.serialNumber);
    await first.stop();
    await ask(socket, `del ssl crt-list ${folder}/crt-list.txt ${folder}/a.test.pem`);
    const second = await site.start([target]);
    await second.started;
    expect(await shown(port, 'a.test')).toBe(a.serialNumber);
    const renewed = await site.bus.issue(['b.test']);
    await settled(async () => expect(await shown(port)).toBe(renewed.serialNumber));
    expect(await shown(port, 'b.test')).toBe(renewed.serialNumber);
  });
});
