/** What every target has to hold, with the real balancer behind it: for the targets here, and for those of other authors. */
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sized } from 'certbus-services/vitest';
import { expect, test } from 'vitest';
import { createSite, type Site, sealedToOthers } from '../agent.builders.ts';
import { settled, shown } from '../targets/tls.builders.ts';
import type { CreateBalancer } from './balancer.builders.ts';
import { underLoad } from './load.builders.ts';

const DAY_MS = 86_400_000;

const noKeyIn = (...texts: readonly string[]) => {
  for (const text of texts) expect(text).not.toContain('PRIVATE KEY');
};

/** Tests a target against its balancer. */
export function testTarget(create: CreateBalancer): void {
  async function set(site: Site, { defaultName }: { defaultName?: string } = {}) {
    const balancer = await create(site, { defaultName });
    const target = defaultName === undefined ? balancer.target : { ...balancer.target, default: defaultName };
    return { balancer, target, port: balancer.port };
  }

  test('shows exact names, wildcards and the default, renews, adds and removes', async () => {
    const site = await createSite();
    const one = await site.bus.issue(['one.test']);
    const wild = await site.bus.issue(['*.two.test', 'two.test']);
    const { balancer, target, port } = await set(site, { defaultName: 'two.test' });
    const agent = await site.start([target]);
    await agent.started;
    await balancer.start();
    await settled(async () => expect(await shown(port, 'one.test')).toBe(one.serialNumber));
    expect(await shown(port, 'A.two.test')).toBe(wild.serialNumber);
    expect(await shown(port, 'ONE.test')).toBe(one.serialNumber);
    expect(await shown(port)).toBe(wild.serialNumber);
    const exact = await site.bus.issue(['www.two.test']);
    await settled(async () => expect(await shown(port, 'www.two.test')).toBe(exact.serialNumber));
    const renewed = await site.bus.issue(['*.two.test', 'two.test']);
    await settled(async () => expect(await shown(port)).toBe(renewed.serialNumber));
    expect(await shown(port, 'a.two.test')).toBe(renewed.serialNumber);
    await site.bus.remove(exact.certificateId);
    await settled(async () => expect(await shown(port, 'www.two.test')).toBe(renewed.serialNumber));
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
    noKeyIn(balancer.log(), site.lines.join('\n'), JSON.stringify(agent.status()));
  });

  test('refuses names that nobody has, and a name that was removed', async () => {
    const site = await createSite();
    await site.bus.issue(['one.test']);
    const gone = await site.bus.issue(['gone.test']);
    const wild = await site.bus.issue(['*.wild.test']);
    const { balancer, target, port } = await set(site);
    const agent = await site.start([target]);
    await agent.started;
    await balancer.start();
    await settled(async () => expect(await shown(port, 'gone.test')).toBe(gone.serialNumber));
    expect(await shown(port, 'unknown.test')).toBeUndefined();
    expect(await shown(port)).toBeUndefined();
    expect(await shown(port, 'a.wild.test')).toBe(wild.serialNumber);
    // A wildcard stands for one label (RFC 9525 section 6.3).
    for (const name of ['wild.test', 'a.b.wild.test']) expect(await shown(port, name)).toBeUndefined();
    await site.bus.remove(gone.certificateId);
    await settled(async () => expect(await shown(port, 'gone.test')).toBeUndefined());
  });

  test('puts right what somebody else changed, what a restart lost, and goes on without the bus', async () => {
    const site = await createSite();
    const one = await site.bus.issue(['one.test']);
    const two = await site.bus.issue(['two.test']);
    const { balancer, target, port } = await set(site);
    const first = await site.start([target]);
    await first.started;
    const running = await balancer.start();
    await settled(async () => expect(await shown(port, 'one.test')).toBe(one.serialNumber));
    await first.stop();
    await balancer.meddle('one.test');
    const second = await site.start([target]);
    await settled(async () => expect(await shown(port, 'one.test')).toBe(one.serialNumber));
    // What it starts with is written after it was told.
    await settled(() => expect(second.health().targets[0]?.certificates.inPlace).toBe(2));
    await second.stop();
    rmSync(join(site.folder, 'bus.db'));
    await running.stop();
    const restarted = await balancer.start();
    if (balancer.keepsOverRestart) expect(await shown(port, 'two.test')).toBe(two.serialNumber);
    const third = await site.start([target]);
    await third.started;
    await settled(async () => expect(await shown(port, 'two.test')).toBe(two.serialNumber));
    await restarted.stop();
    await balancer.start();
    await settled(async () => expect(await shown(port, 'one.test')).toBe(one.serialNumber));
  });

  test('while the bus is away for a week, and agent and balancer restart, all names stay, and then it catches up', async () => {
    const site = await createSite();
    const one = await site.bus.issue(['one.test']);
    const two = await site.bus.issue(['*.two.test']);
    const { balancer, target, port } = await set(site);
    const first = await site.start([target]);
    await first.started;
    const running = await balancer.start();
    await settled(() => expect(first.health().targets[0]?.certificates.inPlace).toBe(2));
    const [bus, away] = [join(site.folder, 'bus.db'), join(site.folder, 'away.db')];
    renameSync(bus, away);
    const isShown = async () => {
      expect(await shown(port, 'one.test')).toBe(one.serialNumber);
      expect(await shown(port, 'a.two.test')).toBe(two.serialNumber);
    };
    await settled(() => expect(first.health().trouble).toBeDefined());
    site.advance(3 * DAY_MS);
    await first.stop();
    await isShown();
    await running.stop();
    await balancer.start();
    const second = await site.start([target]);
    await second.started;
    await settled(isShown);
    site.advance(4 * DAY_MS);
    await settled(() => expect(second.status().targets[0]?.error).toBeNull());
    expect(second.health()).toMatchObject({ ready: true, live: false, targets: [{ certificates: { inPlace: 2 } }] });
    expect(second.health().lagMs).toBeGreaterThanOrEqual(7 * DAY_MS);
    await isShown();
    renameSync(away, bus);
    const renewed = await site.bus.issue(['one.test']);
    await settled(async () => expect(await shown(port, 'one.test')).toBe(renewed.serialNumber));
    expect(await shown(port, 'a.two.test')).toBe(two.serialNumber);
  });

  test('a key that does not open here leaves the certificate before it in place', async () => {
    const site = await createSite();
    const { certificateId, serialNumber } = await site.bus.issue(['one.test']);
    const { balancer, target, port } = await set(site);
    const agent = await site.start([target]);
    await agent.started;
    await balancer.start();
    await settled(async () => expect(await shown(port, 'one.test')).toBe(serialNumber));
    await site.bus.append({ ...(await sealedToOthers(['one.test'])), certificateId });
    const other = await site.bus.issue(['two.test']);
    await settled(async () => expect(await shown(port, 'two.test')).toBe(other.serialNumber));
    expect(await shown(port, 'one.test')).toBe(serialNumber);
    const problem = () => agent.status().targets[0]?.certificates[certificateId]?.problem?.code;
    await settled(() => expect(problem()).toBe('CERTBUS_AGENT_PAIR_REFUSED'));
  });

  const title =
    "renews under load, with a restart of the agent: no handshake fails, no name is shown another's certificate";
  test(title, { tags: ['full'] }, async () => {
    const renewals = sized({ small: 12, full: 300 });
    const site = await createSite();
    const names = ['a', 'b', 'c', 'd'].map((label) => `${label}.load.test`);
    for (const name of names) await site.bus.issue([name]);
    const { balancer, target, port } = await set(site);
    let agent = await site.start([target]);
    await agent.started;
    await balancer.start();
    for (const name of names) await settled(async () => expect(await shown(port, name)).toBeDefined());
    const last = new Map<string, string>();
    const report = await underLoad(port, names, async () => {
      for (let n = 0; n < renewals; n += 1) {
        const name = names[n % names.length] ?? '';
        last.set(name, (await site.bus.issue([name])).serialNumber);
        if (n !== Math.floor(renewals / 2)) continue;
        await agent.stop();
        agent = await site.start([target]);
      }
      for (const [name, serial] of last) await settled(async () => expect(await shown(port, name)).toBe(serial));
    });
    expect(report).toMatchObject({ failed: [], wrong: [] });
    expect(report.handshakes).toBeGreaterThan(renewals);
    noKeyIn(balancer.log(), site.lines.join('\n'));
  });
}
