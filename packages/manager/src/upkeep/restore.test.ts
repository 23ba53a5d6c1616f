/** Tests of when a bus counts as restored. */
import { createBusId, createRootKey, parseRootKey } from '@certbus/events';
import { BEGINNING, floorAt, signRootEvent } from '@certbus/events/history';
import { type Log, openBus, StoreError } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { expect, test } from 'vitest';
import { recordRestored } from './restore.ts';

async function beginBus() {
  const log = createMemoryLog();
  const root = parseRootKey(createRootKey());
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const bus = openBus(log, 'test', { trust, signer: root });
  const created = { type: 'BusCreated' as const, busId: trust.busId, rootKey: trust.rootKey };
  const { checkpoint } = await bus.append(BEGINNING, [created], { at: new Date() });
  return { log, root, trust, checkpoint };
}

test('a bus that was not restored is not said to be', async () => {
  const { log, root, trust, checkpoint } = await beginBus();
  const said = recordRestored(log, 'test', { trust, root, known: checkpoint });
  await expect(said).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_NOT_RESTORED' });
});

test('a store that fails while it is asked for what was lost has lost nothing by that', async () => {
  const { log, root, trust, checkpoint } = await beginBus();
  const failing: Log = {
    ...log,
    async read(stream, after, options) {
      if (options?.limit === 1) throw new StoreError('CERTBUS_STORE_THROTTLED', 'throttling');
      return log.read(stream, after, options);
    },
  };
  const said = recordRestored(failing, 'test', { trust, root, known: checkpoint });
  await expect(said).rejects.toMatchObject({ code: 'CERTBUS_STORE_THROTTLED' });
  expect((await log.read('test', 0)).commits).toHaveLength(1);
});

test('a bus that ends below the floor was put back, also where this machine has read no more than there is', async () => {
  const { log, root, trust, checkpoint } = await beginBus();
  const bus = openBus(log, 'test', { trust, signer: root });
  const event = signRootEvent(root, trust.busId, 1, { type: 'FormatRaised', format: 2 });
  const lost = await bus.append(checkpoint, [event], { at: new Date() });
  const floor = floorAt(lost.checkpoint);
  const [{ bytes } = { bytes: undefined }] = (await log.read('test', 1)).commits;
  await log.maintenance?.replace('test', 2, { found: bytes, bytes: undefined });
  const bounded = { ...trust, floor: { ...floor, rootSequence: 500 } };
  const recorded = await recordRestored(log, 'test', { trust: bounded, root, known: checkpoint });
  // Above every sequence that anybody here has heard of.
  expect(recorded).toMatchObject({ position: 2, floor: { position: 2, rootSequence: 600 } });
  const page = await openBus(log, 'test', { trust: bounded }).read(BEGINNING, { consistent: true });
  expect(page).toMatchObject({ end: true, checkpoint: { position: 2, restored: 600 } });
  expect(page.refused).toBeUndefined();
});
