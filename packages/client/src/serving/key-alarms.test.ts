import {
  createBusId,
  createIdentity,
  createManagerKey,
  createRootKey,
  formatTrust,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
} from '@certbus/events';
import { BEGINNING, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { openBus } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { expect, test } from 'vitest';
import { alarmsOf, madeUp, newBus, newClient } from '../client.builders.ts';
import { ClientError } from '../errors.ts';
import { createKeyAlarms } from './key-alarms.ts';

const refusal = (id: string) => new ClientError('CERTBUS_CLIENT_KEY_NOT_OPENED', `certificate ${id} does not open`);

function listen(isRecipient: boolean) {
  const alarms: ClientError[] = [];
  const bus = { isRecipient, served: 1_000 };
  const keys = createKeyAlarms({ describeBus: () => bus, raise: (error) => alarms.push(error) });
  return { alarms, keys, bus };
}

/** A bus whose one group of load balancers its root can take away, and the identity of that group. */
async function beginBus() {
  const made = await newBus();
  const root = parseRootKey(createRootKey());
  const manager = parseManagerKey(await createManagerKey()).signer;
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const log = createMemoryLog();
  let head = BEGINNING;
  async function write(signer: typeof root, events: readonly WrittenEvent[]): Promise<void> {
    ({ checkpoint: head } = await openBus(log, 'test', { trust, signer }).append(head, events, { at: new Date() }));
  }
  const { recipient } = await parseIdentityFile(made.identity);
  const { recipient: other } = await parseIdentityFile(await createIdentity());
  const setRecipient = (to: string, count: number) =>
    write(root, [
      signRootEvent(root, trust.busId, count, {
        type: 'RecipientsUpdated',
        recipients: [{ name: 'edge', recipient: to }],
      }),
    ]);
  const managers = [{ name: 'test', signingKey: manager.publicKey, recipient: other }];
  await write(root, [
    { type: 'BusCreated', ...trust },
    signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
  ]);
  await setRecipient(recipient, 2);
  await made.issue(['a.test']);
  const { commits } = await made.bus.read(BEGINNING);
  const events = commits.flatMap((commit) => commit.events.flatMap(({ event }) => (event ? [event] : [])));
  const issued = events.filter(
    ({ type }) => type === 'IssuerAdded' || type === 'CertificateObtained',
  ) as WrittenEvent[];
  await write(manager, issued);
  return {
    bus: { ...made, bus: openBus(log, 'test', { trust }), trust: formatTrust(trust) },
    write: (...more: WrittenEvent[]) => write(manager, more),
    leaveOut: () => setRecipient(other, 3),
    takeBack: () => setRecipient(recipient, 4),
  };
}

test('where no key opens it is one alarm, with the count, however many certificates are asked for', () => {
  const { alarms, keys } = listen(false);
  for (let id = 0; id < 1_000; id += 1) keys.refused(refusal(String(id)));
  expect(alarms).toMatchObject([
    { code: 'CERTBUS_CLIENT_NO_KEY_OPENS', message: expect.stringMatching(/1000 certificates.*certificate 0/) },
  ]);
});

test('once a key opens, those that do not are alarms again, and what was held back is told with its count', () => {
  const { alarms, keys } = listen(true);
  for (const id of ['one', 'two', 'three']) keys.refused(refusal(id));
  expect(alarms.map(({ message }) => message)).toEqual(['certificate one does not open']);
  keys.opened();
  keys.opened();
  keys.refused(refusal('four'));
  expect(alarms.slice(1)).toMatchObject([
    { code: 'CERTBUS_CLIENT_KEY_NOT_OPENED', message: expect.stringMatching(/2 more certificates.*certificate three/) },
    { message: 'certificate four does not open' },
  ]);
});

test('what was held back is counted as one where it is one', () => {
  const { alarms, keys } = listen(true);
  for (const id of ['one', 'two']) keys.refused(refusal(id));
  keys.opened();
  expect(alarms.at(-1)?.message).toMatch(
    /^The private key of 1 more certificate cannot be used on this server; health\(\) has its id\./,
  );
});

test('a server that is no longer a recipient is one alarm, however many certificates are renewed, and again the next time', () => {
  const { alarms, keys, bus } = listen(true);
  keys.opened();
  bus.isRecipient = false;
  for (let id = 0; id < 1_000; id += 1) {
    keys.refused(refusal(String(id)));
    // What was opened before still opens.
    keys.opened();
  }
  expect(alarms).toMatchObject([
    {
      code: 'CERTBUS_CLIENT_NO_KEY_OPENS',
      message: expect.stringMatching(/new on this bus.*1000 certificates.*certificate 0/),
    },
  ]);
  bus.isRecipient = true;
  keys.opened();
  bus.isRecipient = false;
  keys.refused(refusal('last'));
  expect(alarms.slice(1)).toMatchObject([{ code: 'CERTBUS_CLIENT_NO_KEY_OPENS' }]);
});

test('a client that the root took from the recipients serves what it opened, and raises one alarm for all that is new', async () => {
  const { bus, write, leaveOut, takeBack } = await beginBus();
  const client = await newClient(bus);
  const alarms = alarmsOf(client);
  expect(await client.secureContextFor('a.test')).toBeDefined();
  await leaveOut();
  const names = Array.from({ length: 30 }, (_, n) => `n${n}.test`);
  await write(...names.map(madeUp));
  await expect.poll(() => client.health().certificates.served).toBe(names.length + 1);
  for (const name of names) expect(await client.secureContextFor(name)).toBeUndefined();
  expect(await client.secureContextFor('a.test')).toBeDefined();
  expect(alarms).toMatchObject([
    { code: 'CERTBUS_CLIENT_NO_KEY_OPENS', message: expect.stringContaining('31 certificates') },
  ]);
  expect(client.health().unopenedKeyCount).toBe(names.length);
  await takeBack();
  await write(madeUp('later.test'));
  await expect.poll(() => client.health().certificates.served).toBe(names.length + 2);
  expect(await client.secureContextFor('later.test')).toBeUndefined();
  expect(alarms.slice(1)).toMatchObject([{ code: 'CERTBUS_CLIENT_KEY_NOT_OPENED' }]);
});
