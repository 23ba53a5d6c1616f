/** Tests that each metric of a daemon is moved by what it measures, and is on the page that lists them. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { LETS_ENCRYPT_LIMITS } from '@certbus/acme';
import { openLog } from '@certbus/store/open';
import { expect, test } from 'vitest';
import { type DaemonSite, startDaemonSite } from './daemon.builders.ts';

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;
/** Few new orders at once, so that some wait. */
const limits = () => ({
  ...LETS_ENCRYPT_LIMITS,
  requests: { ...LETS_ENCRYPT_LIMITS.requests, 'new-order': { capacity: 2, refillMs: 400 } },
});

/** The values that each series has had, by its name with labels. */
type Seen = Map<string, Set<string>>;

/** Adds what a page shows to what was seen; one that is absent counts as nothing. */
function note(seen: Seen, page: string): void {
  const shown = new Map<string, string>();
  for (const line of page.split('\n')) {
    const at = line.lastIndexOf(' ');
    if (line !== '' && !line.startsWith('#')) shown.set(line.slice(0, at), line.slice(at + 1));
  }
  // What shows for the first time was absent at every look before.
  const before = seen.size > 0 ? ['absent'] : [];
  for (const name of new Set([...seen.keys(), ...shown.keys()]))
    seen.set(name, (seen.get(name) ?? new Set(before)).add(shown.get(name) ?? 'absent'));
}

/** Changes a harmless part of the configuration, so that a daemon runs at once. */
const ring = (site: DaemonSite, change: object) =>
  site.manage('other', async (manager) => {
    const stored = await manager.configuration();
    await manager.configure({ ...(stored?.json as object), ...change });
  });

/** Puts something onto the bus that no manager signed. */
async function damage(site: DaemonSite): Promise<void> {
  const log = await openLog(`sqlite:${site.folder}/bus.db#test`);
  const { position } = await site.manage('other', async ({ checkpoint }) => checkpoint);
  await log.append('test', position, Buffer.from('{}\nnobody'), {});
  await log.close();
}

test('each metric moves with what it measures, and the health page with what stops the daemon', async () => {
  await using site = await startDaemonSite({ delayMs: 300, blockedNames: ['blocked.test'] });
  await site.issue(['a.test', 'b.test', 'c.test']);
  await ring(site, { parallelOrders: 1 });
  const seen: Seen = new Map();
  await site.run('one', { port: 0, limits }, async (lines) => {
    await expect.poll(() => lines.some((line) => line.startsWith('ready'))).toBe(true);
    const address = lines.join('\n').match(/http:\/\/127\.0\.0\.1:\d+/)?.[0] ?? '';
    const health = async () => {
      const answer = await fetch(`${address}/healthz`);
      return { status: answer.status, ...((await answer.json()) as object) };
    };
    const look = async () => note(seen, await (await fetch(`${address}/metrics`)).text());
    /** Looks again and again, until something is done. */
    const lookUntil = async (work: Promise<unknown>) => {
      let isDone = false;
      void work.finally(() => (isDone = true));
      while (!isDone) {
        await look();
        await sleep(50);
      }
      await work;
      await look();
    };
    await expect.poll(health).toMatchObject({ status: 200, ready: true, lastRun: { due: 0 } });
    await look();

    // A name that the CA refuses, then all have ended, then one more is issued.
    const blocked = site.manage('other', (manager) => manager.issue({ names: ['blocked.test'] }, { signal: never }));
    await expect(blocked).rejects.toMatchObject({ class: 'permanent-name' });
    await look();
    site.advance(170 * HOUR_MS);
    await look();
    await ring(site, { parallelOrders: 2 });
    await lookUntil(site.until('CertificateObtained', 6));
    await site.issue(['d.test']);
    await look();

    // People are told of the name that the CA refuses.
    const hook = createServer((_, response) => void response.end()).listen(0, '127.0.0.1');
    await once(hook, 'listening');
    await using _hook = hook;
    const webhook = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
    const alerts = { ops: { webhook } };
    await ring(site, { alerts });
    await lookUntil(site.until('AlertRaised', 1));

    // The dead man's switch does not answer, and then somebody writes to the bus who may not.
    await ring(site, { checkIn: { url: 'http://127.0.0.1:1/', within: '48h' } });
    await expect.poll(health).toMatchObject({ status: 503, trouble: [{ code: 'CERTBUS_MANAGER_CHECK_IN_FAILED' }] });
    await damage(site);
    const refused = expect.arrayContaining([expect.objectContaining({ during: 'follow' })]);
    await expect.poll(health).toMatchObject({ status: 503, trouble: refused });
    await look();
  });
  const metricOf = (series: string) => series.replace(/(?:_bucket|_sum|_count)?(?:\{.*)?$/, '');
  const names = new Set([...seen.keys()].map(metricOf));
  const moved = new Set([...seen].flatMap(([series, values]) => (values.size > 1 ? [metricOf(series)] : [])));
  expect([...names].filter((name) => !moved.has(name))).toEqual([]);
  const page = readFileSync(new URL('../../../../docs/guides/run-the-daemon.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| `(certbus_manager_\w+)/gm)].map(([, name]) => name);
  expect(listed.toSorted()).toEqual([...names].toSorted());
});
