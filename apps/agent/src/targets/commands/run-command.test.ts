import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test, vi } from 'vitest';
import { settled } from '../tls.builders.ts';
import { runCommand } from './run-command.ts';

const signal = new AbortController().signal;

function createScript(text: string): { readonly script: string; readonly folder: string } {
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const script = join(folder, 'script');
  writeFileSync(script, `#!/bin/sh\n${text}\n`, { mode: 0o700 });
  return { script, folder };
}

const isThere = (pid: number): boolean => {
  try {
    // A process that ended and was not asked for its status yet is gone as well.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
};

test('gives arguments as they are, what it is told, and nothing of the own environment', async () => {
  vi.stubEnv('CERTBUS_SECRET', 'x');
  onTestFinished(() => void vi.unstubAllEnvs());
  const { script } = createScript('printf "%s|" "$@"; env');
  const args = ['$(id)', '; id', 'a b', '*'];
  const said = await runCommand({ command: [script, ...args] }, { env: { CERTBUS_TARGET: 'mail' }, signal });
  expect(said.startsWith(`${args.join('|')}|`)).toBe(true);
  expect(said).toContain('CERTBUS_TARGET=mail\n');
  expect(said).not.toContain('CERTBUS_SECRET');
});

test('says how it ended, with the end of its output on one clean line', async () => {
  const { script } = createScript('seq 1 5000; printf "\\033[31mred\\n"; echo last >&2; exit 3');
  const failed = await runCommand({ command: [script] }, { env: {}, signal }).catch((error) => error);
  expect(failed).toMatchObject({ code: 'CERTBUS_AGENT_COMMAND_FAILED' });
  expect(failed.message).toContain('ended with status 3. It printed: ');
  expect(failed.message).toContain('last');
  expect(failed.message).not.toMatch(/\p{Cc}/u);
  expect(failed.message.length).toBeLessThan(6_000);
  const missing = runCommand({ command: ['/nowhere/reload'] }, { env: {}, signal });
  await expect(missing).rejects.toThrow('The command /nowhere/reload cannot be started: ENOENT. It printed nothing.');
});

test('a command that takes too long ends with all that it started', async () => {
  // The child does not obey SIGTERM; its parent does.
  const { script, folder } = createScript('sh -c \'trap "" TERM; echo $$ > "$1/child"; sleep 600\' sh "$1" & wait');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const running = runCommand({ command: [script, folder], timeoutMs: 60_000 }, { env: {}, signal });
  const ended = expect(running).rejects.toThrow(`The command ${script} took longer than 60 s and was ended.`);
  const child = () => Number(readFileSync(join(folder, 'child'), 'utf8'));
  await settled(() => expect(child()).toBeGreaterThan(0));
  expect(isThere(child())).toBe(true);
  vi.advanceTimersByTime(60_000);
  await ended;
  await settled(() => expect(isThere(child())).toBe(false));
});

test('the end of the agent ends it, and none is started after that', async () => {
  const stop = new AbortController();
  const { script, folder } = createScript('echo > "$1/begun"; sleep 600 & wait');
  const running = runCommand({ command: [script, folder] }, { env: {}, signal: stop.signal });
  const ended = expect(running).rejects.toThrow('was ended by SIGTERM');
  await settled(() => expect(existsSync(join(folder, 'begun'))).toBe(true));
  stop.abort(new Error('ending'));
  await ended;
  await expect(runCommand({ command: [script] }, { env: {}, signal: stop.signal })).rejects.toThrow('ending');
});

test('a daemon that a command leaves behind holds it up no longer than its last words', async () => {
  const { script, folder } = createScript('sleep 600 & echo $! > "$1/daemon"; echo started');
  expect(await runCommand({ command: [script, folder] }, { env: {}, signal })).toBe('started\n');
  const daemon = Number(readFileSync(join(folder, 'daemon'), 'utf8'));
  expect(isThere(daemon)).toBe(true);
  process.kill(daemon);
});
