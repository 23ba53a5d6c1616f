import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { freePort } from './machine.ts';

test.runIf(process.platform === 'linux')(
  'a port that was found free is found by nobody else before a program takes it, and the system gives it to nobody',
  async () => {
    const ports = await Promise.all(Array.from({ length: 200 }, () => freePort()));
    expect(new Set(ports).size).toBe(ports.length);
    const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split('\t').map(Number);
    expect(Math.max(...ports)).toBeLessThan(first ?? 0);
    // By this name another process sees that it is found.
    const taken = new Promise((resolve) => createServer().on('error', resolve).listen(`\0certbus-port-${ports[0]}`));
    expect(await taken).toMatchObject({ code: 'EADDRINUSE' });
  },
);
