/** Tests of daemons at a strict CA: several on one bus, killed, stopped, and told of new work and another configuration. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { parseTrust } from '@certbus/events';
import type { Log, StoredCommit } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { bundledProgram } from 'certbus-services/vitest';
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { withManager } from '../with-manager.ts';
import { type DaemonSite, type DaemonTask, environmentFor, STREAM, startDaemonSite } from './daemon.builders.ts';
import { runDaemon } from './daemon.ts';

const program = await bundledProgram(new URL('./daemon-process.builders.ts', import.meta.url));
const HOUR_MS = 3_600_000;
const running = new Set<ChildProcess>();
let site: DaemonSite;

beforeEach(async () => {
  const started = await startDaemonSite({ delayMs: 300 });
  site = started;
  onTestFinished(() => started[Symbol.asyncDispose]());
});
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a daemon as a process of a machine of its own, and hears its lines. */
function start(machine: string, hear: (line: string) => void, more: Pick<DaemonTask, 'variables'> = {}): ChildProcess {
  const { file, folder, aheadMs } = site;
  const task: DaemonTask = { file, state: join(folder, machine), aheadMs, claimMs: 20_000, graceMs: 2_000, ...more };
  const child = spawn(process.execPath, [program.path, JSON.stringify(task)], {
    env: { ...process.env, ...program.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  void once(child, 'exit').then(() => running.delete(child));
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', hear);
  return child;
}

const countOf = async (type: string) => (await site.events()).filter((event) => event.type === type).length;

test('of three daemons on one queue one is killed within an order, and each certificate has one order and is issued once', async () => {
  const names = Array.from({ length: 9 }, (_, n) => `n${n}.test`);
  await site.issue(names);
  site.advance(100 * HOUR_MS);
  const { ca } = site;
  const orders = ca.orderCount;
  const killed = Promise.withResolvers<void>();
  const victim = start('one', (line) => {
    // The order is on the bus, and its validation takes a while.
    if (line.includes('"step":"order"') && victim.kill('SIGKILL')) killed.resolve();
  });
  await killed.promise;
  // A claim of a process that has ended is taken over at once.
  await once(victim, 'exit');
  const ready: Promise<void>[] = [];
  const others = ['two', 'three'].map((machine) => {
    const isReady = Promise.withResolvers<void>();
    ready.push(isReady.promise);
    return start(machine, (line) => line.includes('"ready, at position') && isReady.resolve());
  });
  await Promise.all(ready);
  await site.until('CertificateObtained', 2 * names.length);
  for (const child of others) {
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  }
  expect(ca.orderCount - orders).toBe(names.length);
  expect(ca.certificates()).toHaveLength(2 * names.length);
  expect(await countOf('CertificateObtained')).toBe(2 * names.length);
  expect((await site.events()).some((event) => event.type === 'IssuanceTakenOver')).toBe(true);
  for (const name of names) expect(site.dns.get(`_acme-challenge.${name}`, 'TXT')).toEqual([]);
});

/** Does something with the log of the bus, as somebody can who writes to the store. */
async function withLog<T>(work: (log: Log) => Promise<T>): Promise<T> {
  const log = await openLog(`sqlite:${join(site.folder, 'bus.db')}#${STREAM}`);
  try {
    return await work(log);
  } finally {
    await log.close();
  }
}

async function lastOf(log: Log): Promise<StoredCommit> {
  const last = (await log.read(STREAM, 0, { limit: 10_000 })).commits.at(-1);
  if (!last) throw new Error('the bus is empty');
  return last;
}

test('a daemon that is killed has kept how far it read and when to ask the CAs, and the next machine notices that the log was cut off', async () => {
  await site.issue(['kept.test']);
  const [place, archive] = [join(site.folder, 'checkpoint'), join(site.folder, 'archive')];
  const variables = { CERTBUS_CHECKPOINT: place, CERTBUS_ARCHIVE: `file:${archive}` };
  const daemon = start('one', () => {}, { variables });
  const head = () => withLog(async (log) => (await lastOf(log)).position);
  const kept = () => (existsSync(place) ? parseTrust(readFileSync(place, 'utf8')) : undefined);
  await expect.poll(async () => kept()?.floor?.position === (await head())).toBe(true);
  const notes = join(archive, 'snapshots', kept()?.busId ?? '', 'renewal-info');
  await expect.poll(() => existsSync(notes)).toBe(true);
  daemon.kill('SIGKILL');
  await once(daemon, 'exit');
  const questions = () => site.ca.requests.filter(({ resource }) => resource === 'renewalInfo').length;
  const asked = questions();
  expect(asked).toBeGreaterThan(0);
  const next = (state: string) => environmentFor({ file: site.file, state: join(site.folder, state), variables });
  await withManager(next('two'), (manager) => manager.runOnce());
  expect(questions()).toBe(asked);
  await withLog(async (log) => {
    const { position, bytes } = await lastOf(log);
    await log.maintenance?.replace(STREAM, position, { found: bytes, bytes: undefined });
  });
  await expect(withManager(next('three'), async () => {})).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_BELOW_FLOOR',
  });
});

test('a daemon that is stopped within an order releases it, and another one goes on with it', async () => {
  await site.issue(['a.test']);
  site.advance(100 * HOUR_MS);
  const orders = site.ca.orderCount;
  const ordered = Promise.withResolvers<void>();
  await site.run('one', { onProgress: ({ step }) => step === 'answered' && ordered.resolve() }, () => ordered.promise);
  expect((await site.events()).at(-1)).toMatchObject({ type: 'IssuanceReleased' });
  expect(site.dns.get('_acme-challenge.a.test', 'TXT')).toEqual([]);
  await site.run('two', {}, () => site.until('CertificateObtained', 2));
  expect(site.ca.orderCount - orders).toBe(1);
});

test('what another manager leaves on the bus is taken up at once, and what it configures holds without a restart', async () => {
  const checkedIn = Promise.withResolvers<void>();
  const server = createServer((_, response) => {
    response.end();
    checkedIn.resolve();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  // It looks at the bus by itself every ten minutes only.
  await site.run('one', {}, async (lines) => {
    await expect.poll(() => lines.some((line) => line.startsWith('ready'))).toBe(true);
    await site.manage('other', async (manager) => {
      const stop = new AbortController();
      const onProgress = ({ step }: { readonly step: string }) => {
        if (step === 'answered') stop.abort(new Error('stopped'));
      };
      await expect(manager.issue({ names: ['new.test'] }, { signal: stop.signal, onProgress })).rejects.toThrow();
    });
    await site.until('CertificateObtained', 1);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await site.manage('other', async (manager) => {
      const stored = await manager.configuration();
      await manager.configure({ ...(stored?.json as object), checkIn: { url, within: '48h' } });
    });
    await checkedIn.promise;
  });
});

/** Whether this machine has an IPv6 address of its own. */
const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

test.skipIf(!hasIPv6 && !process.env['CI'])(
  'its pages are on the address that it was given, and on no other (needs ::1)',
  async () => {
    const urlOf = (lines: readonly string[]) => /http:\/\/\S+/.exec(lines.join('\n'))?.[0] ?? '';
    const read = async (url: string) => (await fetch(`${url}/metrics`)).text();
    const hosts = [undefined, '::1'] as const;
    for (const host of hosts)
      await site.run('one', { port: 0, host }, async (lines) => {
        await expect.poll(() => urlOf(lines)).not.toBe('');
        const { port, hostname } = new URL(urlOf(lines));
        const [own, other] = host ? ['[::1]', '127.0.0.1'] : ['127.0.0.1', '[::1]'];
        expect(hostname).toBe(own);
        expect(await read(`http://${own}:${port}`)).toContain('certbus_manager_position');
        await expect(read(`http://${other}:${port}`)).rejects.toThrow('fetch failed');
      });
  },
);

/** A DNS host that takes values and never answers a request to take one away; resolves with where it is, and when it was asked for each. */
async function startHangingDnsHost() {
  const [presented, asked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const server = createServer((request, response) => {
    if (request.url === '/cleanup') return asked.resolve();
    response.end(() => presented.resolve());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, presented: presented.promise, asked: asked.promise };
}

test('a daemon that is stopped while its DNS host hangs gives its claims back all the same, and ends', async () => {
  await site.issue(['hangs.test']);
  const host = await startHangingDnsHost();
  await site.manage('seed', async (manager) => {
    const stored = await manager.configuration();
    const writing = { provider: 'httpreq', url: host.url };
    const dns = [{ zones: ['*'], ...writing, resolver: [site.dns.address], nameServers: false }];
    await manager.configure({ ...(stored?.json as object), dns });
  });
  site.advance(100 * HOUR_MS);
  // Nothing comes to be in DNS, so it waits for that when it is stopped.
  await site.run('one', {}, () => host.presented);
  await host.asked;
  expect((await site.events()).at(-1)).toMatchObject({ type: 'IssuanceReleased' });
});

test('a daemon that is stopped before its bus can be opened ends at once, as one that has stopped', async () => {
  // A program that has the file for itself.
  using owner = new DatabaseSync(join(site.folder, 'bus.db'));
  owner.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
  const stop = new AbortController();
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const environment = environmentFor({ file: site.file, state: join(site.folder, 'one') });
  const ran = runDaemon(environment, { signal: stop.signal, log });
  stop.abort(new Error('stopped'));
  await ran;
  expect(lines).toEqual(['stopped before it was ready']);
});

test('a daemon that is stopped while its bus takes nothing ends all the same, and the next one goes on with its order', async () => {
  await site.issue(['locked.test']);
  site.advance(100 * HOUR_MS);
  const orders = site.ca.orderCount;
  const stalled = site.ca.faults.inject({ kind: 'stall', when: 'before' }, { resource: 'finalize', times: 1 });
  const daemon = start('one', () => {});
  await expect.poll(() => stalled.hits).toBe(1);
  // Another process writes to the bus, and hangs; the daemon may be in the middle of renewing its claim.
  const writer = new DatabaseSync(join(site.folder, 'bus.db'), { timeout: 60_000 });
  writer.exec('PRAGMA busy_timeout = 240000; BEGIN IMMEDIATE');
  daemon.kill('SIGTERM');
  expect(await once(daemon, 'exit')).toEqual([0, null]);
  writer.exec('ROLLBACK');
  writer.close();
  site.ca.faults.clear();
  expect((await site.events()).some((event) => event.type === 'IssuanceReleased')).toBe(false);
  await site.run('two', {}, () => site.until('CertificateObtained', 2));
  expect(site.ca.orderCount - orders).toBe(1);
  expect(site.dns.get('_acme-challenge.locked.test', 'TXT')).toEqual([]);
});

test('it sleeps until something is due, and renews it then', async () => {
  await site.issue(['sleeps.test']);
  await site.run('one', {}, async (lines) => {
    await expect.poll(() => lines.some((line) => line.startsWith('ready'))).toBe(true);
    site.advance(100 * HOUR_MS);
    // Written by anyone, it shows that the clock has moved.
    await site.manage('other', (manager) => manager.runOnce({ limit: 0 }));
    await site.until('CertificateObtained', 2);
  });
});

test('what waits for room at its CA is left alone until there is some, and renewed then', async () => {
  await site.manage('seed', async (manager) => {
    const stored = await manager.configuration();
    const json = stored?.json as { readonly authorities: { readonly ca: object } };
    const limits = { orders: { count: 1, within: '5d' }, renewals: 'counted' };
    await manager.configure({ ...json, authorities: { ca: { ...json.authorities.ca, limits } } });
  });
  await site.issue(['waits.test']);
  site.advance(100 * HOUR_MS);
  await site.run('one', {}, async (lines) => {
    const nextOf = () => {
      const [, next] = lines.join('\n').match(/^1 due: 0 renewed, 0 failed, 1 left for later; next at (.*)$/m) ?? [];
      return next === undefined ? Number.NaN : Date.parse(next);
    };
    await expect.poll(nextOf).toBeGreaterThan(site.now().getTime() + HOUR_MS);
    expect(await countOf('IssuanceStarted')).toBe(1);
    site.advance(30 * HOUR_MS);
    // Written by anyone, it shows that the clock has moved.
    await site.manage('other', (manager) => manager.runOnce({ limit: 0 }));
    await site.until('CertificateObtained', 2);
  });
});
