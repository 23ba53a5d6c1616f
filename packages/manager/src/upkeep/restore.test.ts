/** Tests of when a bus counts as restored. */
import { createBusId, createRootKey, parseRootKey } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
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
