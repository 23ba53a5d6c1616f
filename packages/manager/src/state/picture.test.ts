/** Tests that the first reading of a bus, which can take minutes or find nobody, ends with its signal. */
import { createBusId } from '@certbus/events';
import { openReplica } from '@certbus/replica';
import { type Bus, openBus } from '@certbus/store';
import { openMemoryLog } from '@certbus/store/memory';
import { expect, onTestFinished, test } from 'vitest';
import { readRootStateOf } from '../upkeep/key-changes/keys-in-force.ts';
import { readPicture } from './picture.ts';

/** A bus that answers no read; what waits for one ends with its signal alone. */
function silentBus(asked: () => void): Bus {
  const trust = { busId: createBusId(), rootKey: 'A'.repeat(43) };
  const silent: Bus['read'] = (_, { signal } = {}) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      asked();
    });
  return { ...openBus(openMemoryLog('silent'), 'test', { trust }), read: silent };
}

test.each([
  ['of what it says', readPicture],
  ['of what its root has decided', readRootStateOf],
])('the first reading %s ends with the signal', async (_, read) => {
  const asked = Promise.withResolvers<void>();
  const bus = silentBus(asked.resolve);
  const replica = await openReplica({ path: ':memory:', busId: bus.trust.busId });
  onTestFinished(() => replica.close());
  const stop = new AbortController();
  const reading = read({ bus, replica }, { signal: stop.signal });
  await asked.promise;
  stop.abort(new Error('interrupted'));
  await expect(reading).rejects.toThrow('interrupted');
});
