import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { freePort } from './machine.ts';

test.runIf(process.platform === 'linux')(
  'a port that was found free is found by nobody else before a program takes it, and the system gives it to nobody',
  async () => {
    const ports = await Promise.all(Array.from({ length: 200 }, () => freePort()));
    expect(new Set(ports).size).toBe(ports.length);
    const [first = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split('\t').map(Number);
    // Some machines give away nearly all that there are.
    if (first >= 15_000) expect(Math.max(...ports)).toBeLessThan(first);
    // By this name another process sees that it is found.
    const taken = new Promise((resolve) => createServer().on('error', resolve).listen(`\0certbus-port-${ports[0]}`));
    expect(await taken).toMatchObject({ code: 'EADDRINUSE' });
  },
);

test('a port that was found free has five digits, and the sandbox draws it for none of its own', async () => {
  const ports = await Promise.all(Array.from({ length: 200 }, () => freePort()));
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(10_000);
  expect(Math.max(...ports)).toBeLessThan(20_000);
});
