import {
  createBusId,
  createIdentity,
  createManagerKey,
  createRootKey,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  seal,
} from '@certbus/events';
import { BEGINNING, signRootEvent } from '@certbus/events/history';
import { openReplica } from '@certbus/replica';
import { type Log, openBus } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { expect, test } from 'vitest';
import { type Manager, openManager } from '../manager.ts';

const authorities = { ca: { directory: 'https://ca.test/dir', termsOfServiceAgreed: true } };
const configuration = { version: 1, authorities, defaultAuthority: 'ca' };
const withSecret = (token: string) => ({
  ...configuration,
  dns: [{ zones: ['*'], provider: 'cloudflare', token }],
});

/** A log that takes every request and answers none, once it is told to. Counts the requests that wait. */
function createSilenceable(log: Log): { readonly log: Log; silence(): void; waiting(): number } {
  let isSilent = false;
  let waiting = 0;
  const orSilent = async <T>(signal: AbortSignal | undefined, answer: () => Promise<T>): Promise<T> => {
    if (!isSilent) return answer();
    waiting += 1;
    return new Promise<T>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  };
  return {
    log: {
      ...log,
      read: (stream, after, options) => orSilent(options?.signal, () => log.read(stream, after, options)),
      append: (stream, after, bytes, options) =>
        orSilent(options?.signal, () => log.append(stream, after, bytes, options)),
    },
    silence: () => {
      isSilent = true;
    },
    waiting: () => waiting,
  };
}

/** A manager whose bus has a configuration that is sealed to somebody else. */
async function openWithForeignConfiguration({ text = JSON.stringify(configuration), toAlice = false } = {}) {
  const root = parseRootKey(createRootKey());
  const key = parseManagerKey(await createManagerKey());
  const { recipient } = await parseIdentityFile(key.identity);
  const stranger = await parseIdentityFile(await createIdentity());
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const silenceable = createSilenceable(createMemoryLog());
  const { log } = silenceable;
  const managers = [{ name: 'alice', signingKey: key.signer.publicKey, recipient }];
  const sealed = await seal(text, [{ name: 'x', recipient: toAlice ? recipient : stranger.recipient }]);
  await openBus(log, 'test', { trust, signer: root }).append(
    BEGINNING,
    [
      { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
      signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
      signRootEvent(root, trust.busId, 2, { type: 'RecipientsUpdated', recipients: [{ name: 'edge', recipient }] }),
      { type: 'ConfigUpdated', sealed },
    ],
    { at: new Date() },
  );
  const replica = await openReplica({ path: ':memory:', busId: trust.busId });
  const bus = openBus(log, 'test', { trust, signer: key.signer });
  const solvers = () => Promise.reject(new TypeError('nothing is issued here'));
  const manager = await openManager({ bus, key, replica, holder: 'test', solvers, secrets: () => undefined });
  const close = async () => {
    await manager.close();
    await replica.close();
  };
  return { manager, silenceable, close };
}

test('a configuration that this manager cannot open is replaced by a whole one', async () => {
  const { manager, close } = await openWithForeignConfiguration();
  await expect(manager.configuration()).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_NOT_OPENED' });
  expect(await manager.configure(withSecret('a secret'))).toMatchObject({ position: 2 });
  expect(await manager.configuration()).toEqual({ json: withSecret('a secret'), position: 2 });
  expect(await manager.configure(withSecret('<redacted>'))).toMatchObject({ position: 3 });
  expect(await manager.configuration()).toEqual({ json: withSecret('a secret'), position: 3 });
  await close();
});

test('one that reads <redacted> cannot replace it: there is nothing to take the secret from', async () => {
  const { manager, close } = await openWithForeignConfiguration();
  await expect(manager.configure(withSecret('<redacted>'))).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_NOT_OPENED',
  });
  await close();
});

test('it is replaced only where it is still the one that was expected', async () => {
  const { manager, close } = await openWithForeignConfiguration();
  await expect(manager.configure(configuration, { expectPosition: 99 })).rejects.toMatchObject({
    code: 'CERTBUS_MANAGER_CONFIG_CHANGED',
  });
  expect(await manager.configure(configuration, { expectPosition: 1 })).toMatchObject({ position: 2 });
  await close();
});

test.each(['not JSON', 'null', '[]', '7', '{"dns":7}'])('one that reads %s is replaced as well', async (text) => {
  const { manager, close } = await openWithForeignConfiguration({ text, toAlice: true });
  expect(await manager.configure(withSecret('a secret'))).toMatchObject({ position: 2 });
  expect(await manager.configuration()).toEqual({ json: withSecret('a secret'), position: 2 });
  await close();
});

test.each([
  ['configure', (manager: Manager, signal: AbortSignal) => manager.configure(configuration, { signal })],
  ['remove', (manager: Manager, signal: AbortSignal) => manager.remove('certificate1', { signal })],
] as const)('%s ends by its signal while a store that was opened is silent', async (_, act) => {
  const { manager, silenceable, close } = await openWithForeignConfiguration();
  silenceable.silence();
  const stop = new AbortController();
  const acted = act(manager, stop.signal);
  acted.catch(() => {});
  await expect.poll(silenceable.waiting).toBe(1);
  stop.abort(new Error('the user stops it'));
  await expect(acted).rejects.toThrow('the user stops it');
  await close();
});

test('two authorities with one directory are refused, and read where they are on the bus already', async () => {
  // The same to a CA.
  const twin = { ...authorities.ca, directory: 'https://CA.test:443/dir', preferredChain: 'counts for nothing' };
  const twins = { ...configuration, authorities: { ...authorities, twin } };
  const { manager, close } = await openWithForeignConfiguration({ text: JSON.stringify(twins), toAlice: true });
  await expect(manager.configure(twins)).rejects.toMatchObject({
    code: 'CERTBUS_MANAGER_CONFIG_INVALID',
    message: expect.stringMatching(/authorities\.twin\.directory is that of "ca" as well/),
  });
  expect(await manager.configuration()).toEqual({ json: twins, position: 1 });
  expect((await manager.plan({})).authorities).toHaveLength(2);
  await close();
});
