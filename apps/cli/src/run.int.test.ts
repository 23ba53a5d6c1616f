/** Tests `certbus run` as a service: what it tells systemd and its neighbours, and how it stops. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { certbus } from './cli.builders.ts';

const folder = temporaryFolder();
const site = folder.path;
const notified = `${site}/notified`;
const env = { PATH: `${site}/bin:${process.env['PATH']}`, NOTIFY_SOCKET: `${site}/notify` };

beforeAll(async () => {
  const dns = ['--dns-provider', 'challtestsrv', '--dns-url', 'http://127.0.0.1:1'];
  const { status } = await certbus(site, ['init', '--agree-tos', '--directory', 'https://127.0.0.1:1/dir', ...dns]);
  expect(status).toBe(0);
  mkdirSync(`${site}/bin`);
  writeFileSync(`${site}/bin/systemd-notify`, `#!/bin/sh\necho "$@" >> ${notified}\n`);
  chmodSync(`${site}/bin/systemd-notify`, 0o755);
});
afterAll(() => folder.remove());

test('it tells systemd that it is ready and that it stops, says where its pages are, and ends with status 0', async () => {
  const asJson = ['run', '--port', '0', '--log-format', 'json'];
  const { status, stdout, stderr } = await certbus(site, asJson, { env, interruptAt: 'ready, at position' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  const lines = stderr.split(/(?<=\}) (?=\{)/).map((line) => JSON.parse(line));
  expect(lines).toContainEqual({
    time: expect.any(String),
    level: 'info',
    message: expect.stringMatching(/^health and metrics on http:\/\/127\.0\.0\.1:\d+$/),
  });
  expect(lines).toContainEqual(expect.objectContaining({ message: expect.stringContaining('what was under way is') }));
  const states = readFileSync(notified, 'utf8').trim().split('\n');
  expect(states).toEqual([
    expect.stringMatching(/^--pid=\d+ READY=1$/),
    expect.stringMatching(/^--pid=\d+ STOPPING=1$/),
  ]);
});

test.each(['SIGTERM', 'SIGHUP'] as const)(
  '%s stops it as Ctrl-C does: a terminal that is closed leaves no claim behind, and sends SIGHUP twice',
  async (interruptBy) => {
    // Once it stops, as the system does after the shell.
    const bin = `${site}/${interruptBy}`;
    mkdirSync(bin);
    const again = `case "$2" in STOPPING=1) kill -HUP $(echo "$1" | cut -d= -f2) ;; esac`;
    writeFileSync(`${bin}/systemd-notify`, `#!/bin/sh\n${again}\n`);
    chmodSync(`${bin}/systemd-notify`, 0o755);
    const { status, stderr } = await certbus(site, ['run', '--no-pages'], {
      env: { ...env, PATH: `${bin}:${process.env['PATH']}` },
      interruptAt: 'ready, at position',
      interruptBy,
    });
    expect({ status, stderr }).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('what was under way is released'),
    });
  },
);

const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
test.skipIf(!hasIPv6 && !process.env['CI'])(
  'an IPv6 address is taken with and without brackets, and shown as a URL has it (needs ::1)',
  async () => {
    for (const host of ['::1', '[::1]']) {
      const run = ['run', '--port', '0', '--host', host];
      const { status, stderr } = await certbus(site, run, { interruptAt: 'ready, at position' });
      expect({ status, stderr }).toMatchObject({
        status: 0,
        stderr: expect.stringMatching(/ on http:\/\/\[::1\]:\d+ /),
      });
    }
  },
);

test('the watchdog of its unit hears from it until it stops', async () => {
  // Systemd's program in the double of one that stops the service once it was told that it is alive.
  const told = `${site}/alive`;
  mkdirSync(`${site}/watch`);
  const pid = '$(echo "$1" | cut -d= -f2)';
  const stop = `case "$2" in WATCHDOG=1) test -e "$0.done" || { touch "$0.done"; kill -INT ${pid}; } ;; esac`;
  writeFileSync(`${site}/watch/systemd-notify`, `#!/bin/sh\necho "$2" >> ${told}\n${stop}\n`);
  chmodSync(`${site}/watch/systemd-notify`, 0o755);
  const watched = { ...env, PATH: `${site}/watch:${process.env['PATH']}`, WATCHDOG_USEC: '200000' };
  const { status } = await certbus(site, ['run', '--no-pages'], { env: watched });
  expect(status).toBe(0);
  const states = readFileSync(told, 'utf8').trim().split('\n');
  expect(states[0]).toBe('READY=1');
  expect(new Set(states)).toEqual(new Set(['READY=1', 'WATCHDOG=1', 'STOPPING=1']));
});

test('with --host its pages are on that address', async () => {
  const args = ['run', '--host', 'localhost', '--port', '0'];
  const { status, stderr } = await certbus(site, args, { env, interruptAt: 'ready, at position' });
  expect(status).toBe(0);
  expect(stderr).toMatch(/health and metrics on http:\/\/localhost:\d+/);
});

test('a port that is taken is said at the start, and without pages none is needed', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  const refused = await certbus(site, ['run', '--port', String(port)], { env });
  expect(refused.status).toBe(3);
  expect(refused.stderr).toContain(`127.0.0.1 port ${port}: another program listens there`);
  const bare = await certbus(site, ['run', '--port', String(port), '--no-pages'], {
    interruptAt: 'ready, at position',
  });
  expect(bare).toMatchObject({ status: 0, stderr: expect.not.stringContaining('http://') });
  taken.close();
});
