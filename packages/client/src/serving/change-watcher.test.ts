import { sha256 } from '@certbus/events';
import type { WrittenEvent } from '@certbus/events/history';
import { expect, test } from 'vitest';
import { newBus } from '../client.builders.ts';
import { createChangeWatcher } from './change-watcher.ts';
import { createEmitter } from './events.ts';
import { openMaterial } from './material-source.ts';

test('a change of a certificate whose row does not read is not a removal: nothing that is kept of it is dropped', () => {
  const emitter = createEmitter();
  const events: unknown[] = [];
  emitter.on('changed', (change) => events.push(change));
  const watcher = createChangeWatcher({
    replica: { certificate: () => undefined },
    vault: { update: () => events.push('vault') },
    openings: { keep: () => events.push('openings') > 0, clear: () => events.push('openings') },
    emitter,
  });
  watcher.moved([{ certificateId: 'certificate1', names: ['a.test'], removed: true, position: 2, isServed: true }]);
  expect(events).toEqual([]);
});

test('only what changes what is served is a change: no claim, order, failure, renewal window or key for others as well', async () => {
  const bus = await newBus();
  const { bus: open, identity, trust } = bus;
  const source = await openMaterial({ bus: open, identity, trust, replica: ':memory:', intervalMs: 100 });
  const changes: (readonly [string, boolean])[] = [];
  let moves = 0;
  source.on('changed', ({ names, removed }) => changes.push([names.join(), removed])).on('moved', () => (moves += 1));
  /** Waits until it was taken, so that each commit is a page of its own. */
  async function reach<T>(write: () => Promise<T>): Promise<T> {
    const next = source.health().position + 1;
    const written = await write();
    await expect.poll(() => source.health().position, { interval: 5 }).toBe(next);
    return written;
  }
  const say = (event: WrittenEvent) => reach(() => bus.append(event));
  const { certificateId, certificate } = await reach(() => bus.issue(['a.test']));
  const issuance = { issuanceId: 'issuance0002', certificateId };
  const leafHash = sha256(Buffer.from(certificate.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'));
  const sealedKey = Buffer.from('sealed to others').toString('base64');
  const directory = 'https://ca.test/directory';
  const soon = new Date(Date.now() + 600_000).toISOString();
  await say({
    type: 'IssuanceStarted',
    ...issuance,
    names: ['a.test'],
    reason: 'renewal',
    challengeType: 'dns-01',
    directory,
    holder: 'one',
    until: soon,
    csr: sealedKey,
    sealedKey,
    recipientsPosition: 1,
  });
  await say({ type: 'OrderCreated', ...issuance, holder: 'one', orderUrl: 'https://ca.test/order' });
  await say({ type: 'PrivateKeyResealed', certificateId, leafHash, sealedKey });
  await say({
    type: 'RenewalInfoUpdated',
    certificateId,
    leafHash,
    windowStart: soon,
    windowEnd: soon,
    renewAt: soon,
  });
  await say({
    type: 'IssuanceFailed',
    ...issuance,
    problem: 'x',
    class: 'permanent-name',
    detail: '',
    attempt: 1,
    notBefore: soon,
    directory,
  });
  await reach(() => bus.issue(['a.test']));
  await reach(() => bus.remove(certificateId));
  expect(moves).toBe(8);
  expect(changes).toEqual([
    ['a.test', false],
    ['a.test', false],
    ['a.test', true],
  ]);
  await source.close();
});
