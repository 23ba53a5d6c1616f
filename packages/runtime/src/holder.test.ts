/** Which holders of claims are known to have ended. */
import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { createHolder, hasEnded } from './holder.ts';

const own = createHolder();
/** A process that has ended, and was waited for. */
const { pid: ended } = spawnSync(process.execPath, ['--version']);
const withPid = (pid: number) => own.replace(/process \d+/, `process ${pid}`);

test('a holder names host, process, boot and namespace, and no two are alike', () => {
  expect(own).toContain(`${hostname()} process ${process.pid} (`);
  expect(createHolder()).not.toBe(own);
});

test.runIf(process.platform === 'linux')('a process of this machine that has ended is known to have', () => {
  expect(hasEnded(withPid(ended))).toBe(true);
});

test.each([
  ['this process', own],
  ['a process of another user', withPid(1)],
  ['a process of another machine', withPid(ended).replace(hostname(), 'elsewhere')],
  ['a process of an earlier boot', withPid(ended).replace(/boot [\w-]+/, 'boot 00000000-0000-0000-0000-000000000000')],
  ['a process of another container', withPid(ended).replace(/namespace \d+/, 'namespace 1')],
  ['a holder that names no place', `${hostname()} process ${ended} (abc)`],
])('%s is not taken to have ended', (_, holder) => {
  expect(hasEnded(holder)).toBe(false);
});
