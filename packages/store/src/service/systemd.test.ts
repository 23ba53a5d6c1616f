/** Tests of what a service takes from systemd and tells it. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { notifySystemd, startWatchdog, watchdogEveryMs } from './systemd.ts';

afterEach(() => void vi.unstubAllEnvs());

test.each([
  ['half of the time of the unit', { WATCHDOG_USEC: '60000000' }, 30_000],
  ['the same where it is for this process', { WATCHDOG_USEC: '60000000', WATCHDOG_PID: String(process.pid) }, 30_000],
  ['no time for another process', { WATCHDOG_USEC: '60000000', WATCHDOG_PID: '1' }, undefined],
  ['no time where nobody watches', {}, undefined],
  ['no time for what is not a number', { WATCHDOG_USEC: 'soon' }, undefined],
])('the watchdog is fed at %s', (_, variables, everyMs) => {
  expect(watchdogEveryMs(variables)).toBe(everyMs);
});

/** A program in the place of systemd's; returns what it was told, a line a call. */
function standIn(): () => readonly string[] {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const told = join(folder.path, 'told');
  const program = join(folder.path, 'systemd-notify');
  writeFileSync(program, `#!/bin/sh\necho "$@" >> ${told}\n`);
  chmodSync(program, 0o755);
  vi.stubEnv('PATH', `${folder.path}${delimiter}${process.env['PATH']}`);
  return () => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : []);
}

test.skipIf(process.platform === 'win32')(
  'systemd is told a state, and that the process is alive until that ends',
  async () => {
    const told = standIn();
    await notifySystemd('READY=1');
    expect(told()).toEqual([]);
    vi.stubEnv('NOTIFY_SOCKET', '/nowhere');
    await notifySystemd('READY=1', 'STATUS=fine');
    expect(told()).toEqual([`--pid=${process.pid} READY=1 STATUS=fine`]);
    vi.stubEnv('WATCHDOG_USEC', '100000');
    using watchdog = startWatchdog();
    await expect.poll(told).toContain(`--pid=${process.pid} WATCHDOG=1`);
    watchdog[Symbol.dispose]();
  },
);
