/** What a program shows after its reload, and how long that is waited for. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createSecureContext, createServer } from 'node:tls';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test, vi } from 'vitest';
import { chainPem, keyPem } from '../../pairs/encodings.ts';
import { bring, createWanted, type TestWanted } from '../target.builders.ts';
import { resolveAccess } from './access.ts';
import { createFilesTarget } from './files.ts';

/** Each handshake for a name that is never shown takes this long, milliseconds of the clock of the test: the second of them ends the wait for a reload. */
const HANDSHAKE_MS = 10_000;

/** A program that shows certificates from a certain handshake on, and a target that reloads it. */
async function startProgram() {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const handshakes = new Map<string, number>();
  const showing = new Map<string, { readonly wanted: TestWanted; readonly from: number }>();
  const server = createServer({
    SNICallback(name, done) {
      const count = (handshakes.get(name) ?? 0) + 1;
      handshakes.set(name, count);
      const { wanted, from = 1 } = showing.get(name) ?? {};
      if (!wanted) vi.advanceTimersByTime(HANDSHAKE_MS);
      if (!wanted || count < from) return done(new Error('no certificate for it'));
      wanted.open().then((pair) => done(null, createSecureContext({ cert: chainPem(pair), key: keyPem(pair) })), done);
    },
  }).listen(0, '127.0.0.1');
  server.on('tlsClientError', () => {});
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const target = createFilesTarget({
    ...{ name: 'files', folder: join(path, 'certs'), layout: 'combined', keyEncoding: 'pkcs8', replaceBy: 'swap' },
    ...{ access: await resolveAccess({}), password: undefined, test: undefined, after: { command: ['/bin/true'] } },
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
  return {
    target,
    handshakes,
    show: (wanted: TestWanted, from = 1) => showing.set(wanted.names[0] ?? '', { wanted, from }),
  };
}

test('all that is not shown is waited for at one time, and asked for once from then on, until it is put again', async () => {
  const { target, handshakes, show } = await startProgram();
  const [a, b, c] = [
    await createWanted('a', ['a.test']),
    await createWanted('b', ['b.test']),
    await createWanted('c', ['c.test']),
  ];
  const { signal } = new AbortController();
  const served = async (...leaves: readonly TestWanted[]) => [...(await target.served(leaves, signal)).keys()];
  show(a);
  await bring(target, [a, b]);
  expect(await served(a, b)).toEqual(['a']);
  expect(Object.fromEntries(handshakes)).toEqual({ 'a.test': 1, 'b.test': 2 });
  expect(await served(b)).toEqual([]);
  expect(handshakes.get('b.test')).toBe(3);
  // One that a later change is about is waited for, and does not have the other one waited for again.
  show(c, 2);
  await bring(target, [a, b, c]);
  expect(await served(b, c)).toEqual(['c']);
  expect(Object.fromEntries(handshakes)).toEqual({ 'a.test': 1, 'b.test': 4, 'c.test': 2 });
  const renewed = await createWanted('b', ['b.test']);
  show(renewed, 6);
  await bring(target, [a, renewed, c]);
  expect(await served(renewed)).toEqual(['b']);
  expect(handshakes.get('b.test')).toBe(6);
});

test('what is put again after it was taken back is waited for once more', async () => {
  const { target, handshakes, show } = await startProgram();
  const [a, renewed] = [await createWanted('a', ['a.test']), await createWanted('a', ['a.test'])];
  const { signal } = new AbortController();
  await bring(target, [a]);
  await bring(target, [renewed]);
  expect((await target.served([renewed], signal)).size).toBe(0);
  expect(handshakes.get('a.test')).toBe(2);
  await bring(target, [a]);
  show(renewed, 4);
  await bring(target, [renewed]);
  expect((await target.served([renewed], signal)).get('a')).toBe(renewed.leafHash);
  expect(handshakes.get('a.test')).toBe(4);
});
