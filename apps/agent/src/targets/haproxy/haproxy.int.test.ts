import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { requirePart } from 'certbus-services';
import { isFull } from 'certbus-services/vitest';
import { describe, expect, test } from 'vitest';
import { createSite } from '../../agent.builders.ts';
import { testTarget } from '../../conformance/suite.builders.ts';
import { createTarget } from '../create-target.ts';
import { bring, createWanted } from '../target.builders.ts';
import { settled, shown } from '../tls.builders.ts';
import { ask, createHaproxy, createHaproxyOf } from './haproxy.builders.ts';

const part = requirePart('haproxy');

describe.skipIf(part.skip)(part.title('the target HAProxy'), () => {
  testTarget(createHaproxy);

  test('writes the files for the start of a HAProxy that does not run yet', async () => {
    const site = await createSite();
    const { serialNumber } = await site.bus.issue(['one.test']);
    const balancer = await createHaproxy(site, { defaultName: undefined });
    const agent = await site.start([balancer.target]);
    await agent.started;
    expect(agent.status().targets[0]?.error?.message).toContain('HAProxy is not running');
    await balancer.start();
    expect(await shown(balancer.port, 'one.test')).toBe(serialNumber);
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
  });

  test('ends a transaction that somebody left open, and serves no name with another certificate', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const b = await site.bus.issue(['b.test']);
    const { port, socket, folder, target, start } = await createHaproxy(site, { defaultName: undefined });
    const agent = await site.start([target]);
    await agent.started;
    await start();
    const pem = readFileSync(join(folder, 'b.test.pem'), 'utf8').trimEnd();
    expect(await ask(socket, `set ssl cert ${folder}/b.test.pem <<\n${pem}\n`)).toContain('Transaction created');
    const renewed = await site.bus.issue(['a.test']);
    await settled(async () => expect(await shown(port, 'a.test')).toBe(renewed.serialNumber));
    expect(await shown(port, 'b.test')).toBe(b.serialNumber);
    expect(await ask(socket, 'show ssl cert')).not.toContain('*');
  });

  test('starts again after the certificate of its default was removed, and goes on with the others', async () => {
    const site = await createSite();
    const gone = await site.bus.issue(['gone.test']);
    const other = await site.bus.issue(['other.test']);
    const { port, target, start } = await createHaproxy(site, { defaultName: 'gone.test' });
    const agent = await site.start([{ ...target, default: 'gone.test' }]);
    await agent.started;
    const running = await start();
    expect(await shown(port)).toBe(gone.serialNumber);
    await site.bus.remove(gone.certificateId);
    const renewed = await site.bus.issue(['other.test']);
    await settled(async () => expect(await shown(port, 'other.test')).toBe(renewed.serialNumber));
    expect(renewed.serialNumber).not.toBe(other.serialNumber);
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
    await running.stop();
    await start();
    expect(await shown(port, 'other.test')).toBe(renewed.serialNumber);
  });

  test('a name is in front of the certificate that ranks first alone, also after time changed which that is', async () => {
    const site = await createSite();
    const [one, two] = [
      await createWanted('one', ['a.test', 'b.test']),
      await createWanted('two', ['a.test', 'c.test']),
    ];
    const exact = await createWanted('exact', ['www.d.test']);
    const wild = await createWanted('wild', ['*.d.test']);
    const { port, folder, target, start } = await createHaproxy(site, { defaultName: undefined });
    const made = await createTarget({
      ...target,
      type: 'haproxy',
      name: 'haproxy',
      folder,
      socket: String(target.socket),
    });
    const showing = async () =>
      Promise.all(['a.test', 'b.test', 'c.test', 'www.d.test', 'x.d.test'].map((name) => shown(port, name)));
    await bring(made, [one, two, exact, wild]).catch(() => {});
    const running = await start();
    const first = [one, one, two, exact, wild].map(({ serialNumber }) => serialNumber);
    expect(await showing()).toEqual(first);
    const then = [two, one, two, wild, wild].map(({ serialNumber }) => serialNumber);
    const again = [wild, two, one, exact];
    expect(await bring(made, again)).toMatchObject({ isInEffect: false });
    expect(await showing()).toEqual(then);
    expect(await bring(made, again)).toMatchObject({ isInEffect: true });
    // One that leads to no name is not on the list, and comes back to it.
    expect(readFileSync(join(folder, 'crt-list.txt'), 'utf8')).not.toContain('www.d.test.pem');
    await running.stop();
    const restarted = await start();
    expect(await showing()).toEqual(then);
    await bring(made, [one, two, exact, wild]);
    expect(await showing()).toEqual(first);
    await restarted.stop();
  });

  test('the default certificate is for names that nobody has, and stands before no other', async () => {
    const site = await createSite();
    const [one, two] = [
      await createWanted('one', ['a.test', 'b.test']),
      await createWanted('two', ['a.test', 'c.test']),
    ];
    const { port, folder, target, start } = await createHaproxy(site, { defaultName: 'c.test' });
    const made = await createTarget({
      ...target,
      type: 'haproxy',
      name: 'haproxy',
      folder,
      socket: String(target.socket),
    });
    await bring(made, [one, two], { defaultId: 'two' }).catch(() => {});
    await start();
    expect(await shown(port)).toBe(two.serialNumber);
    expect(await shown(port, 'a.test')).toBe(one.serialNumber);
    expect(await shown(port, 'c.test')).toBe(two.serialNumber);
  });

  test('a certificate that does not fit into its buffer is refused, and the file before it is back', async () => {
    const site = await createSite();
    const { serialNumber } = await site.bus.issue(['a.test']);
    const { port, target, folder, start } = await createHaproxy(site, { defaultName: undefined });
    const agent = await site.start([{ ...target, bufferSize: 4_096 }]);
    await agent.started;
    await start();
    const before = readFileSync(join(folder, 'a.test.pem'), 'utf8');
    // Names enough that the certificate alone has more than 3 kB.
    const names = ['a.test', ...Array.from({ length: 60 }, (_, n) => `label-${n}.a-longer-name-for-more-bytes.a.test`)];
    const large = await site.bus.issue(names);
    const problem = () => agent.status().targets[0]?.certificates[large.certificateId]?.problem?.message;
    await settled(() => expect(problem()).toContain('Set "tune.bufsize"'));
    expect(readFileSync(join(folder, 'a.test.pem'), 'utf8')).toBe(before);
    expect(readFileSync(join(folder, 'crt-list.txt'), 'utf8')).toBe(`${folder}/a.test.pem\n`);
    expect(await shown(port, 'a.test')).toBe(serialNumber);
  });
});

if (isFull)
  describe('the target HAProxy 2.8', () => {
    testTarget(createHaproxyOf('2.8'));
  });
