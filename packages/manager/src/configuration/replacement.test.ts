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
import { openBus } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { expect, test } from 'vitest';
import { openManager } from '../manager.ts';

const authorities = { ca: { directory: 'https://ca.test/dir', termsOfServiceAgreed: true } };
const configuration = { version: 1, authorities, defaultAuthority: 'ca' };
const withSecret = (token: string) => ({
  ...configuration,
  dns: [{ zones: ['*'], provider: 'cloudflare', token }],
});

/** A manager whose bus has a configuration that is sealed to somebody else. */
async function openWithForeignConfiguration({ text = JSON.stringify(configuration), toAlice = false } = {}) {
  const root = parseRootKey(createRootKey());
  const key = parseManagerKey(await createManagerKey());
  const { recipient } = await parseIdentityFile(key.identity);
  const stranger = await parseIdentityFile(await createIdentity());
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const log = createMemoryLog();
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
  return { manager, close };
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
