/** Tests that the sandbox starts, and that nothing of it is left running. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const SANDBOX = fileURLToPath(new URL('sandbox.ts', import.meta.url));

/** Starts the sandbox and waits until it has said all that it says. */
async function startSandbox(...args: readonly string[]) {
  const options = { stdio: ['ignore', 'pipe', 'inherit'] as ['ignore', 'pipe', 'inherit'] };
  const child = spawn(process.execPath, ['--conditions=certbus:source', SANDBOX, ...args], options);
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk) => {
      said += String(chunk);
      if (said.includes('everything is gone')) resolve();
    });
  });
  const [, rootsFile = ''] = /--roots (\S+)/.exec(said) ?? [];
  // A sandbox that is killed cannot remove its folder.
  onTestFinished(() => rmSync(dirname(rootsFile), { recursive: true, force: true }));
  return { child, said, ports: [...said.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port)) };
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'the CA and the DNS server end with the sandbox, at %s',
  async (signal) => {
    const { child, said, ports } = await startSandbox();
    expect(said).toMatch(
      /CA +https:\/\/127\.0\.0\.1:\d+\/directory +\(the strict ACME server of @certbus\/acme-server\)/,
    );
    expect(await Promise.all(ports.map(isOpen))).not.toContain(false);
    child.kill(signal);
    await once(child, 'exit');
    await expect.poll(async () => (await Promise.all(ports.map(isOpen))).includes(true)).toBe(false);
  },
  300_000,
);

test('a CA that there is not is refused', async () => {
  const child = spawn(process.execPath, ['--conditions=certbus:source', SANDBOX, '--ca', 'other'], { stdio: 'ignore' });
  expect(await once(child, 'exit')).toEqual([2, null]);
});
