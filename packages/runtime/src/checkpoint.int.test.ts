/** Tests of a manager that keeps its checkpoint in a file outside of its folder: each start is a new machine. */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBusId, formatTrust, parseRootKey, parseTrust, type Trust } from '@certbus/events';
import { BEGINNING, type Checkpoint } from '@certbus/events/history';
import { type Manager, recordRestored } from '@certbus/manager';
import { beginTestBus } from '@certbus/manager/testing';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { readKnownTrust } from './checkpoint.ts';
import { type Environment, readEnvironment } from './environment.ts';
import { examineMachine } from './examination.ts';
import { withManager } from './with-manager.ts';

const DAY_MS = 86_400_000;
const HASH = createHash('sha256').update('a commit').digest('base64url');
const { path: folder, remove } = temporaryFolder();
const configuration = (contact: string) => ({
  version: 1,
  authorities: { ca: { directory: 'https://ca.test/directory', termsOfServiceAgreed: true, contact: [contact] } },
  defaultAuthority: 'ca',
});

afterAll(remove);

/** How far a bus of the same root was read. */
const at = (position: number): Checkpoint => ({ ...BEGINNING, position, hash: HASH, rootSequence: 2 });

/** A bus that was begun some days ago, its manager, and where its checkpoint is. */
async function newBus({ daysAgo = 0, checkpoint }: { daysAgo?: number; checkpoint?: string } = {}) {
  const stream = crypto.randomUUID();
  const file = join(folder, `${stream}.db`);
  const address = `sqlite:${file}#test`;
  const place = checkpoint ?? join(folder, `${stream}.checkpoint`);
  const log = await openLog(address, { create: true });
  const now = () => new Date(Date.now() - daysAgo * DAY_MS);
  const { rootKey, managerKey, trust: begun } = await beginTestBus(log, 'test', { manager: 'lambda', now });
  const { floor: _, ...trust } = begun;
  await log.close();
  const lines: string[] = [];
  /** That of a machine which has nothing else. */
  const environment = (variables: Record<string, string> = {}): Environment =>
    readEnvironment({
      variables: {
        CERTBUS_BUS: address,
        CERTBUS_TRUST: formatTrust(trust),
        CERTBUS_MANAGER_KEY: managerKey,
        CERTBUS_STATE_DIR: join(folder, crypto.randomUUID()),
        CERTBUS_CHECKPOINT: place,
        ...variables,
      },
      writeLine: (line) => lines.push(line),
    });
  const start = <T>(run: (manager: Manager) => Promise<T>, variables?: Record<string, string>) =>
    withManager(environment(variables), run);
  const configure = (contact: string) => start((manager) => manager.configure(configuration(contact)));
  const kept = () => parseTrust(readFileSync(place, 'utf8')).floor;
  return { file, address, trust, root: parseRootKey(rootKey), place, lines, environment, start, configure, kept };
}

/** Cuts a log off, as somebody does who can write to the store. */
async function cutOff(file: string, position: number): Promise<void> {
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(file);
  const tables = database.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all();
  const { name } = tables.find(({ sql }) => /position/.test(String(sql))) ?? {};
  database.exec(`DELETE FROM ${String(name)} WHERE position > ${position}`);
  database.close();
}

test('a checkpoint is made by the first run, follows each, and shows a new machine that the log was cut off, unless the root restored it', async () => {
  const { configure, start, kept, file, address, trust, root } = await newBus();
  await expect(start(() => Promise.reject(new Error('the run failed')))).rejects.toThrow('the run failed');
  expect(kept()).toMatchObject({ position: 1, rootSequence: 2 });
  await configure('mailto:a@example.com');
  expect(kept()).toMatchObject({ position: 2 });
  await cutOff(file, 1);
  await expect(start(async () => {})).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_BELOW_FLOOR' });
  expect(kept()).toMatchObject({ position: 2 });
  const log = await openLog(address);
  const { signal } = new AbortController();
  const known = undefined;
  await recordRestored(log, 'test', { trust: { ...trust, floor: kept() }, root, known, archive: undefined, signal });
  await log.close();
  await start(async () => {});
  expect(kept()?.position).toBe(2);
  expect(kept()?.rootSequence).toBeGreaterThan(2);
});

test('a checkpoint is never put back, not by a run that began before another', async () => {
  const { environment, trust, kept } = await newBus();
  const [early, late] = [await readKnownTrust(environment()), await readKnownTrust(environment())];
  await late.keep(at(3));
  await early.keep(at(2));
  expect(kept()).toMatchObject({ position: 3 });
  const next = await readKnownTrust(environment());
  expect(next).toMatchObject({ hasCheckpoint: true, trust: { ...trust, floor: { position: 3 } } });
  await next.keep(at(2));
  expect(kept()).toMatchObject({ position: 3 });
});

test('a checkpoint lets a manager go on after an outage of days, which nobody has to confirm', async () => {
  const { configure, start, place } = await newBus({ daysAgo: 5 });
  await expect(configure('mailto:a@example.com')).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_BUS_STALE' });
  // What could have been cut off is not kept as known.
  expect(existsSync(place)).toBe(false);
  await start(async () => {}, { CERTBUS_ACCEPT_STALE: '1' });
  await configure('mailto:a@example.com');
});

test.each([
  ['something else', () => 'password', 'it is not a checkpoint'],
  ['that of another bus', (trust: Trust) => formatTrust({ ...trust, busId: createBusId() }), 'of another bus'],
])('a checkpoint is refused where it is %s', async (_, text, why) => {
  const { environment, place, trust } = await newBus();
  writeFileSync(place, text(trust));
  const read = readKnownTrust(environment());
  await expect(read).rejects.toMatchObject({ code: 'CERTBUS_CLI_CHECKPOINT_REFUSED' });
  await expect(read).rejects.toThrow(why);
  await expect(read).rejects.not.toThrow('password');
});

test('a checkpoint is refused where others can change it', async () => {
  const { environment, place } = await newBus();
  await (await readKnownTrust(environment())).keep(at(1));
  chmodSync(place, 0o666);
  await expect(readKnownTrust(environment())).rejects.toMatchObject({ code: 'CERTBUS_CLI_CONFIG_OPEN' });
});

test('a checkpoint that cannot be written is reported, and fails no run', async () => {
  const { configure, lines } = await newBus({ checkpoint: join(folder, 'no', 'such', 'folder') });
  await configure('mailto:a@example.com');
  expect(lines).toEqual([expect.stringMatching(/^warning: the checkpoint was not written \(error: /)]);
});

test('a checkpoint that cannot be read stops a manager, and is a finding of the doctor, who goes on', async () => {
  const { start, environment, place } = await newBus();
  writeFileSync(place, 'something else');
  await expect(start(async () => {})).rejects.toMatchObject({ code: 'CERTBUS_CLI_CHECKPOINT_REFUSED' });
  const findings = await examineMachine(environment(), { signal: new AbortController().signal, onFinding: () => {} });
  const failed = findings.filter(({ status }) => status === 'failed').map(({ subject }) => subject);
  expect(failed).toContain('checkpoint');
  expect(findings.at(-1)?.subject).not.toBe('checkpoint');
});
