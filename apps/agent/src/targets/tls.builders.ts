/** Clients of a balancer under test. */
import { connect } from 'node:tls';
import { expect } from 'vitest';

/** The serial number that a server shows for a name; `undefined` where it refuses the name. */
export const shown = (port: number, servername?: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false, timeout: 10_000 });
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber);
      socket.destroy();
    });
    socket.once('error', () => resolve(undefined));
    socket.once('timeout', () => socket.destroy(new Error('timed out')));
  });

/** Waits until a check throws nothing. */
export const settled = (check: () => Promise<void> | void): Promise<void> =>
  expect
    .poll(async () => {
      try {
        await check();
        return 'settled';
      } catch (error) {
        return (error as Error).message;
      }
    })
    .toBe('settled');
