/** A load balancer whose bus is cut off for a month, and which restarts meanwhile. */
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { checkReport, checkShown, type Edge, type Floors, serialShown, startEdge } from './edge.builders.ts';
import { createSite, DAY_MS, type Site } from './site.builders.ts';

const MONTH_DAYS = 31;
/** Days that each certificate has left when the bus is cut off. */
const LIFETIMES: Readonly<Record<string, number>> = {
  'brief.test': 6,
  'short.test': 20,
  'long.test': 90,
  '*.wild.test': 47,
};
const NAMES = ['brief.test', 'short.test', 'long.test', 'a.wild.test'];
const daysOf = (name: string): number => LIFETIMES[name] ?? LIFETIMES['*.wild.test'] ?? 0;

async function newSite(): Promise<Site> {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const site = await createSite(folder.path);
  for (const [name, days] of Object.entries(LIFETIMES)) await site.issue([name], { days });
  return site;
}

/** Waits until a client has noticed that its bus is away, which a start does not wait for. */
const untilAway = ({ client }: Edge) =>
  expect.poll(() => client.health().trouble?.code, { interval: 5 }).toMatch(/^CERTBUS_STORE_/);

test.each(['serve', 'refuse'] as const)(
  'a bus that is cut off for a month, with restarts in between: expired certificates as configured (%s), true reports, and all of it caught up with afterwards',
  { tags: 'full' },
  async (expired) => {
    const site = await newSite();
    const start = () => startEdge({ ...site.options, expired, startTimeoutMs: 3_600_000 });
    const stepDays = sized({ small: 10, full: 1 });
    const cutAt = site.clock.nowMs;
    const floors: Floors = new Map();
    let edge = await start();
    await checkShown(edge.port, { site, floors, position: site.history.head }, NAMES);
    site.line.cut();
    await untilAway(edge);
    expect(edge.client.health().live).toBe(true);
    for (let days = stepDays; days <= MONTH_DAYS; days += stepDays) {
      await edge.close();
      site.clock.nowMs = cutAt + days * DAY_MS;
      edge = await start();
      const report = edge.client.health();
      checkReport(site, report);
      expect(report).toMatchObject({
        ready: true,
        live: false,
        following: false,
        lastContactAt: new Date(cutAt),
        lagMs: days * DAY_MS,
      });
      for (const name of NAMES)
        if (expired === 'refuse' && days >= daysOf(name))
          expect([name, await serialShown(edge.port, name)]).toEqual([name, undefined]);
        else await checkShown(edge.port, { site, floors, position: report.position }, [name]);
      await untilAway(edge);
      checkReport(site, edge.client.health());
      // Meanwhile the manager renews, which nobody here can know of.
      await site.issue([`new-${days}.test`]);
    }
    for (const [name, days] of Object.entries(LIFETIMES)) await site.issue([name], { days });
    site.line.mend();
    await expect.poll(() => edge.client.health().position, { interval: 5 }).toBe(site.history.head);
    await expect.poll(() => edge.client.health().live, { interval: 5 }).toBe(true);
    const { head } = site.history;
    await checkShown(edge.port, { site, floors, position: head }, [...NAMES, `new-${stepDays}.test`]);
    const report = edge.client.health();
    checkReport(site, report);
    expect(report).toMatchObject({ following: true, lagMs: 0, trouble: undefined, certificates: { expired: 0 } });
  },
);
