/** What every target has to hold, with the real balancer behind it: for the targets here, and for those of other authors. */
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sized } from 'certbus-services/vitest';
import { expect, test } from 'vitest';
import { createSite, type Site, sealedToOthers, withAnotherKey } from '../agent.builders.ts';
import type { Agent } from '../agent.ts';
import { preview } from '../preview.ts';
import { settled, shown } from '../targets/tls.builders.ts';
import type { CreateBalancer } from './balancer.builders.ts';
import { runOnce, writeConfiguration } from './killed-agent.builders.ts';
import { underLoad } from './load.builders.ts';
import { startFront } from './stuck-front.builders.ts';

const DAY_MS = 86_400_000;
/** A pass over the certificates of a test has fewer steps. */
const MOST_STEPS = 400;
/** How often an agent compares everything that is to notice a change within a test, milliseconds. */
const SOON_MS = 200;

const noKeyIn = (...texts: readonly string[]) => {
  for (const text of texts) expect(text).not.toContain('PRIVATE KEY');
};

/** Waits until an agent has compared all that its target holds, from now on. */
async function comparedAgain(agent: Agent): Promise<void> {
  const passes = () => {
    const { inPlace = 0, inPart = 0, failed = 0 } = agent.health().targets[0]?.passes ?? {};
    return inPlace + inPart + failed;
  };
  // One can be under way.
  const enough = passes() + 2;
  await settled(() => expect(passes()).toBeGreaterThanOrEqual(enough));
}

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

  test('refuses names that nobody has, and one that was removed, and shows the RSA certificate of a name with two', async () => {
    const site = await createSite();
    await site.bus.issue(['one.test']);
    const gone = await site.bus.issue(['gone.test']);
    const wild = await site.bus.issue(['*.wild.test']);
    // The RSA one is for every client, whichever was issued last.
    const rsa = await site.bus.issue(['both.test'], { keyType: 'rsa-2048' });
    await site.bus.issue(['both.test']);
    const { balancer, target, port } = await set(site);
    const agent = await site.start([target]);
    await agent.started;
    await balancer.start();
    await settled(async () => expect(await shown(port, 'gone.test')).toBe(gone.serialNumber));
    expect(await shown(port, 'both.test')).toBe(rsa.serialNumber);
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
    const second = await site.start([target], {}, { reconcileEveryMs: SOON_MS });
    await settled(async () => expect(await shown(port, 'one.test')).toBe(one.serialNumber));
    // What it starts with is written after it was told.
    await settled(() => expect(second.health().targets[0]?.certificates.inPlace).toBe(2));
    // While it runs, nobody reports the change to it.
    await balancer.meddle('two.test');
    await settled(async () => expect(await shown(port, 'two.test')).toBe(two.serialNumber));
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

  const killed = 'killed at any step, the agent leaves every name with a certificate, and the next pass is right';
  test(killed, { tags: ['full'] }, async () => {
    const apart = sized({ small: MOST_STEPS, full: 3 });
    const site = await createSite();
    const stays = await site.bus.issue(['*.stays.test']);
    await site.bus.issue(['renewed.test']);
    let added = await site.bus.issue(['added-0.test']);
    const { balancer, target, port } = await set(site);
    writeConfiguration(site, [target]);
    const agent = await site.start([target]);
    await agent.started;
    await balancer.start();
    await settled(() => expect(agent.health().targets[0]?.certificates.inPlace).toBe(3));
    await agent.stop();
    let kills = 0;
    for (let step = sized({ small: balancer.killedAt, full: 1 }); step < MOST_STEPS; step += apart) {
      const gone = added;
      const [old, fresh] = [`added-${kills}.test`, `added-${kills + 1}.test`];
      const before = await shown(port, 'renewed.test');
      const renewed = await site.bus.issue(['renewed.test']);
      added = await site.bus.issue([fresh]);
      await site.bus.remove(gone.certificateId);
      const { isKilled, status } = await runOnce(site, step);
      expect([before, renewed.serialNumber]).toContain(await shown(port, 'renewed.test'));
      expect(await shown(port, 'a.stays.test')).toBe(stays.serialNumber);
      if (isKilled) expect(await runOnce(site, 0)).toEqual({ isKilled: false, status: 0 });
      else expect(status).toBe(0);
      const names = ['renewed.test', fresh, 'a.stays.test', old];
      const expected = [renewed, added, stays].map(({ serialNumber }) => serialNumber);
      await settled(async () =>
        expect({ step, shown: await Promise.all(names.map((name) => shown(port, name))) }).toEqual({
          step,
          shown: [...expected, undefined],
        }),
      );
      const { targets } = await preview(site.configuration([target]), new AbortController().signal);
      expect(targets).toMatchObject([{ put: [], remove: [], isInEffect: true }]);
      if (!isKilled) break;
      kills += 1;
    }
    expect(kills).toBeGreaterThan(0);
    noKeyIn(balancer.log());
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

  test('a certificate that ended goes on being shown, over restarts and in another form of its files, until it is renewed', async () => {
    const site = await createSite();
    await site.bus.issue(['ended.test'], { days: 60 });
    const ended = await site.bus.issue(['ended.test'], { days: 90 });
    const valid = await site.bus.issue(['valid.test'], { days: 365 });
    const { balancer, target, port } = await set(site);
    const isShown = async (serial: string | undefined) => {
      expect(await shown(port, 'ended.test')).toBe(serial);
      expect(await shown(port, 'valid.test')).toBe(valid.serialNumber);
    };
    const first = await site.start([target], {}, { reconcileEveryMs: SOON_MS });
    await first.started;
    const running = await balancer.start();
    await settled(() => expect(first.health().targets[0]?.certificates.inPlace).toBe(2));
    site.advance(91 * DAY_MS);
    await comparedAgain(first);
    await isShown(ended.serialNumber);
    await first.stop();
    const second = await site.start([balancer.inOtherForm ?? target], {}, { reconcileEveryMs: SOON_MS });
    await second.started;
    await comparedAgain(second);
    await isShown(ended.serialNumber);
    await running.stop();
    await balancer.start();
    await settled(async () => expect(await shown(port, 'valid.test')).toBe(valid.serialNumber));
    await comparedAgain(second);
    // What ended is given to no balancer that does not hold it.
    await isShown(balancer.keepsOverRestart ? ended.serialNumber : undefined);
    const renewed = await site.bus.issue(['ended.test'], { days: 180 });
    await settled(() => isShown(renewed.serialNumber));
    await settled(() => expect(second.health().targets[0]?.certificates).toMatchObject({ inPlace: 2, failing: 0 }));
  });

  test('shows what its selection takes and nothing else, also after that was changed', async () => {
    const site = await createSite();
    const one = await site.bus.issue(['www.one.test']);
    const two = await site.bus.issue(['two.test']);
    const { balancer, target, port } = await set(site);
    const showing = () => Promise.all(['www.one.test', 'two.test'].map((name) => shown(port, name)));
    const selections = [
      { names: ['*.one.test'], serials: [one.serialNumber, undefined] },
      { names: ['*.one.test', 'two.test'], serials: [one.serialNumber, two.serialNumber] },
      { names: ['two.test'], serials: [undefined, two.serialNumber] },
    ];
    for (const [n, { names, serials }] of selections.entries()) {
      const selected = { ...target, certificates: { names } };
      const agent = await site.start([selected]);
      await agent.started;
      if (n === 0) await balancer.start();
      await settled(async () => expect(await showing()).toEqual(serials));
      const wanted = serials.filter((serial) => serial !== undefined).length;
      await settled(() =>
        expect(agent.health().targets[0]?.certificates).toEqual({ wanted, inPlace: wanted, failing: 0 }),
      );
      await agent.stop();
      const { targets } = await preview(site.configuration([selected]), new AbortController().signal);
      expect(targets).toMatchObject([{ put: [], remove: [], inPlace: wanted, isInEffect: true }]);
    }
  });

  test('what it takes and does not show is put back, with an alarm, and the others go on, until it shows it', async () => {
    const site = await createSite();
    const stuck = await site.bus.issue(['stuck.test']);
    await site.bus.issue(['good.test']);
    const { balancer, target, port } = await set(site);
    const first = await site.start([target]);
    await first.started;
    const running = await balancer.start();
    await settled(() => expect(first.health().targets[0]?.certificates.inPlace).toBe(2));
    await first.stop();
    const front = await startFront(port);
    const agent = await site.start([{ ...target, address: front.address }], {}, { reconcileEveryMs: SOON_MS });
    await agent.started;
    const status = () => agent.status().targets[0];
    const problem = () => status()?.certificates[stuck.certificateId]?.problem?.code;
    front.stickTo('stuck.test', stuck);
    const renewed = await site.bus.issue(['stuck.test']);
    const good = await site.bus.issue(['good.test']);
    await settled(async () => expect(await shown(port, 'good.test')).toBe(good.serialNumber));
    await settled(() => expect(problem()).toBe('CERTBUS_AGENT_NOT_SERVED'));
    expect(status()?.certificates[good.certificateId]?.problem).toBeNull();
    const alarm = `alarm: ${status()?.name}: Target "${status()?.name}" took certificate ${stuck.certificateId} (stuck.test) and shows another certificate.`;
    expect(site.lines.join('\n')).toContain(alarm);
    await settled(async () => expect(await shown(port, 'stuck.test')).toBe(stuck.serialNumber));
    await running.stop();
    await balancer.start();
    if (balancer.keepsOverRestart) expect(await shown(port, 'stuck.test')).toBe(stuck.serialNumber);
    // One that lost it takes what there is: a name without a certificate has nothing to lose.
    else await settled(async () => expect(await shown(port, 'stuck.test')).toBe(renewed.serialNumber));
    front.release();
    // What was not shown is offered again after five minutes.
    site.advance(300_000);
    await settled(async () => expect(await shown(port, 'stuck.test')).toBe(renewed.serialNumber));
    await settled(() => expect(status()).toMatchObject({ error: null }));
    await settled(() => expect(problem()).toBeUndefined());
    expect(await shown(port, 'good.test')).toBe(good.serialNumber);
    noKeyIn(balancer.log(), site.lines.join('\n'), JSON.stringify(agent.status()));
  });

  test('a key that does not open here, or is another one, leaves the certificate before it in place', async () => {
    const site = await createSite();
    const { certificateId, serialNumber } = await site.bus.issue(['one.test']);
    const three = await site.bus.issue(['three.test']);
    const { balancer, target, port } = await set(site);
    const agent = await site.start([target]);
    await agent.started;
    await balancer.start();
    await settled(async () => expect(await shown(port, 'one.test')).toBe(serialNumber));
    await site.bus.append({ ...(await sealedToOthers(['one.test'])), certificateId });
    await site.bus.append(...(await withAnotherKey(site, three.certificateId, ['three.test'])));
    const other = await site.bus.issue(['two.test']);
    await settled(async () => expect(await shown(port, 'two.test')).toBe(other.serialNumber));
    expect(await shown(port, 'one.test')).toBe(serialNumber);
    expect(await shown(port, 'three.test')).toBe(three.serialNumber);
    const problem = (id: string) => agent.status().targets[0]?.certificates[id]?.problem?.code;
    for (const id of [certificateId, three.certificateId])
      await settled(() => expect(problem(id)).toBe('CERTBUS_AGENT_PAIR_REFUSED'));
    noKeyIn(balancer.log(), site.lines.join('\n'), JSON.stringify(agent.status()));
  });

  const title =
    "renews under load, with restarts of agent and balancer: no handshake fails while it runs, no name is shown another's certificate";
  test(title, { tags: ['full'] }, async () => {
    const renewals = sized({ small: 12, full: 300 });
    const site = await createSite();
    const names = ['a', 'b', 'c', 'd'].map((label) => `${label}.load.test`);
    for (const name of names) await site.bus.issue([name]);
    const { balancer, target, port } = await set(site);
    let agent = await site.start([target]);
    await agent.started;
    const running = await balancer.start();
    for (const name of names) await settled(async () => expect(await shown(port, name)).toBeDefined());
    const last = new Map<string, string>();
    const report = await underLoad(port, names, async (withoutLoad) => {
      const renew = async (n: number) => {
        const name = names[n % names.length] ?? '';
        last.set(name, (await site.bus.issue([name])).serialNumber);
      };
      for (let n = 0; n < renewals; n += 1) {
        await renew(n);
        if (n === Math.floor(renewals / 3))
          await withoutLoad(async () => {
            await running.stop();
            await renew(n + 1);
            await balancer.start();
            for (const name of names) await settled(async () => expect(await shown(port, name)).toBeDefined());
          });
        if (n !== Math.floor(renewals / 2)) continue;
        await agent.stop();
        agent = await site.start([target]);
      }
      for (const [name, serial] of last) await settled(async () => expect(await shown(port, name)).toBe(serial));
    });
    const said = report.failed.length === 0 ? [] : balancer.log().split('\n');
    expect({ ...report, said }).toMatchObject({ failed: [], wrong: [], said: [] });
    expect(report.handshakes).toBeGreaterThan(renewals);
    noKeyIn(balancer.log(), site.lines.join('\n'));
  });
}
