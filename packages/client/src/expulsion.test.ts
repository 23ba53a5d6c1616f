/** Tests of what a load balancer serves once a manager was expelled. */
import {
  createBusId,
  createManagerKey,
  createRootKey,
  formatTrust,
  parseManagerKey,
  parseRootKey,
} from '@certbus/events';
import { BEGINNING, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { openBus } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { afterEach, expect, test } from 'vitest';
import { connect } from './connect.ts';
import { createTestBus, type TestBus } from './testing.ts';
import { shakeHands, startTlsServer } from './tls/tls.builders.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const it of open.splice(0).reverse()) await it.close();
});

/** The events with which a test bus issued a certificate for a name, to be written on another bus. */
async function issue(made: TestBus, name: string): Promise<WrittenEvent[]> {
  await made.issue([name]);
  const { commits } = await made.bus.read(BEGINNING);
  const events = commits.flatMap((commit) => commit.events.flatMap(({ event }) => (event ? [event] : [])));
  return events.filter(
    (event) => event.type === 'IssuerAdded' || ('leaf' in event && event.names.includes(name)),
  ) as WrittenEvent[];
}

/** A bus with two managers, of whom one can be expelled. */
async function beginHeist() {
  const root = parseRootKey(createRootKey());
  const [alice, mallory] = [await createManagerKey(), await createManagerKey()].map(
    (text) => parseManagerKey(text).signer,
  );
  if (!alice || !mallory) throw new TypeError('two keys were made');
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const log = createMemoryLog();
  const recipient = 'age1'.padEnd(62, 'q');
  const managers = [
    { name: 'alice', signingKey: alice.publicKey, recipient },
    { name: 'mallory', signingKey: mallory.publicKey, recipient },
  ];
  let head = BEGINNING;
  const write = (signer: typeof root) => async (events: readonly WrittenEvent[]) => {
    const bus = openBus(log, 'test', { trust, signer });
    ({ checkpoint: head } = await bus.append(head, events, { at: new Date() }));
    return head.position;
  };
  await write(root)([
    { type: 'BusCreated', ...trust },
    signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
    signRootEvent(root, trust.busId, 2, { type: 'RecipientsUpdated', recipients: [{ name: 'edge', recipient }] }),
  ]);
  const expel = (since: number) =>
    write(root)([
      signRootEvent(root, trust.busId, 3, {
        type: 'ManagerExpelled',
        manager: 'mallory',
        key: mallory.publicKey,
        since,
      }),
    ]);
  return { trust, bus: openBus(log, 'test', { trust }), byAlice: write(alice), byMallory: write(mallory), expel };
}

test('a name that a thief removed is served again, and none that the thief issued is lost', async () => {
  const made = await createTestBus();
  open.push(made);
  const { trust, bus, byAlice, byMallory, expel } = await beginHeist();
  const first = await issue(made, 'a.test');
  await byAlice(first);
  const client = await connect({
    bus,
    identity: made.identity,
    trust: formatTrust(trust),
    replica: ':memory:',
    intervalMs: 100,
  });
  open.push(client);
  const server = await startTlsServer(client);
  open.push(server);
  const isServed = (name: string) =>
    shakeHands(server.port, name, { ca: made.roots }).then(
      () => true,
      () => false,
    );
  const served = async () => [await isServed('a.test'), await isServed('b.test')];
  expect(await served()).toEqual([true, false]);
  const { certificateId } = first.find((event) => 'certificateId' in event) ?? { certificateId: '' };
  const since = await byMallory([...(await issue(made, 'b.test')), { type: 'CertificateRemoved', certificateId }]);
  await expect.poll(served).toEqual([false, true]);
  const alarms: Error[] = [];
  client.on('alarm', (error) => alarms.push(error));
  await expel(since);
  await expect.poll(served).toEqual([true, true]);
  expect(client.health().position).toBe(since + 1);
  expect(alarms).toEqual([]);
});
