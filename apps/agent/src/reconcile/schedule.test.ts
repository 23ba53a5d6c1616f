import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { machineId, machineName } from './machine.ts';
import { longestSilenceMs, offsetOf, waitFor } from './schedule.ts';

const window = { windowMs: 60_000, spreadMs: 60_000 };

test('a change begins at the instant of this machine, once a window', () => {
  const offset = 12_345;
  expect(waitFor(window, { now: 600_000, offset })).toBe(12_345);
  expect(waitFor(window, { now: 612_344, offset })).toBe(1);
  // At that very instant the window's change has begun.
  expect(waitFor(window, { now: 612_345, offset })).toBe(60_000);
  expect(waitFor(window, { now: 659_999, offset })).toBe(12_346);
});

test('no clock makes it wait longer than one window', () => {
  for (const now of [-1, 0, 1, -86_400_000, 1_800_000_000_123]) {
    const waits = waitFor(window, { now, offset: 59_999 });
    expect(waits).toBeGreaterThan(0);
    expect(waits).toBeLessThanOrEqual(60_000);
  }
});

test('without a window nothing waits', () => {
  expect(waitFor({ windowMs: 0, spreadMs: 0 }, { now: 1, offset: 0 })).toBe(0);
});

test('a machine keeps its offset, and a fleet is spread over the whole of it and no further', () => {
  const target = 'nginx';
  expect(offsetOf({ machine: 'edge-1', target }, window)).toBe(offsetOf({ machine: 'edge-1', target }, window));
  const fleet = Array.from({ length: 600 }, (_, n) => offsetOf({ machine: `edge-${n}`, target }, window));
  for (let second = 0; second < 60; second += 10) {
    const here = fleet.filter((offset) => offset >= second * 1_000 && offset < (second + 10) * 1_000);
    expect(here.length).toBeGreaterThan(60);
  }
  expect(Math.max(...fleet)).toBeLessThan(60_000);
  const narrow = fleet.map((_, n) => offsetOf({ machine: `edge-${n}`, target }, { windowMs: 60_000, spreadMs: 100 }));
  expect(Math.max(...narrow)).toBeLessThan(100);
  expect(offsetOf({ machine: 'edge-1', target }, { windowMs: 60_000, spreadMs: 0 })).toBe(0);
});

test('an agent is silent for as long as a rest, a pass and the window of the target that is looked at most often', () => {
  const files = (name: string, windowMs: number) => ({ type: 'files', name, folder: `/${name}`, windowMs }) as const;
  expect(longestSilenceMs([files('daily', 86_400_000), files('hourly', 3_600_000)])).toBe(3_960_000);
  expect(longestSilenceMs([{ type: 'files', name: 'one', folder: '/one' }])).toBe(360_000);
});

test('copies of one machine, with the id of the original, have an instant each, and each the same one at every start', () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const idFile = join(path, 'machine-id');
  const instantOf = (host: string) =>
    offsetOf({ machine: machineName({ idFile, host }), target: 'nginx' }, { windowMs: 60_000, spreadMs: 60_000 });
  const hosts = ['edge-1', 'edge-2', 'edge-3'];
  const without = hosts.map(instantOf);
  writeFileSync(idFile, '6fb3dcd6a8f04e0b8a7f5e0e2c1d9b4a\n');
  const copies = hosts.map(instantOf);
  expect(new Set([...without, ...copies]).size).toBe(6);
  expect(hosts.map(instantOf)).toEqual(copies);
});

test('a machine is the same to its own processes where its name changes, and in each of its containers', () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const [idFile, bootFile] = [join(path, 'machine-id'), join(path, 'boot_id')];
  const ids = () => ['localhost', 'edge-1'].map((host) => machineId({ idFile, bootFile, host }));
  expect(ids()).toEqual(['localhost', 'edge-1']);
  writeFileSync(bootFile, '0c1f2a3b-0000-4000-8000-000000000001\n');
  expect(ids()).toEqual(Array.from({ length: 2 }, () => '0c1f2a3b-0000-4000-8000-000000000001'));
  writeFileSync(idFile, '6fb3dcd6a8f04e0b8a7f5e0e2c1d9b4a\n');
  expect(ids()).toEqual(Array.from({ length: 2 }, () => '6fb3dcd6a8f04e0b8a7f5e0e2c1d9b4a'));
});
