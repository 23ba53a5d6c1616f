/** Tests of which certificates are due. */
import type { EventOf } from '@certbus/events';
import { readEvent, type WrittenEvent } from '@certbus/events/history';
import { expect, test } from 'vitest';
import { obtained } from '../renewal/fleet.builders.ts';
import { layerOn, type ManagerState } from '../state/state.ts';
import { dueBy } from './due.ts';
import { given } from './state.builders.ts';

const DAY_MS = 86_400_000;
const BEGAN = new Date('2026-11-22T00:00:00Z');
const day = (n: number) => new Date(BEGAN.getTime() + n * DAY_MS);

/** A certificate of 90 days, which is due after 60. */
const issuedOn = (certificateId: string, from: number): WrittenEvent => ({
  ...obtained(certificateId),
  notBefore: day(from).toISOString(),
  notAfter: day(from + 90).toISOString(),
});

const claimed = (certificateId: string, until: Date): EventOf<'IssuanceStarted'> => ({
  type: 'IssuanceStarted',
  issuanceId: 'issuance0001',
  certificateId,
  names: ['a.test'],
  reason: 'new',
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
  holder: 'one',
  until: until.toISOString(),
  csr: 'Y3Ny',
  sealedKey: 'a2V5',
  recipientsPosition: 1,
});

function on(base: ManagerState, ...events: readonly WrittenEvent[]): ManagerState {
  const layer = layerOn(base);
  layer.apply(events.map(readEvent), { at: BEGAN, position: 9 });
  return layer;
}

const idsBy = (state: ManagerState, at: Date, now = at): string[] =>
  Array.from(dueBy(state, { at, now }), ({ certificateId }) => certificateId);

test('what is due comes the longest due first, whether the replica has taken it yet or not', () => {
  const replica = given([issuedOn('certificate3', 3), BEGAN], [issuedOn('certificate1', 1), BEGAN]);
  const state = on(replica, issuedOn('certificate2', 2), issuedOn('certificate4', 4));
  expect(idsBy(state, day(64))).toEqual(['certificate1', 'certificate2', 'certificate3', 'certificate4']);
  expect(idsBy(state, day(62))).toEqual(['certificate1', 'certificate2']);
  expect(idsBy(state, day(60))).toEqual([]);
});

test('what the replica has not taken yet counts before what it has', () => {
  const replica = given([issuedOn('certificate1', 1), BEGAN], [issuedOn('certificate2', 2), BEGAN]);
  const removed = on(replica, { type: 'CertificateRemoved', certificateId: 'certificate1' });
  expect(idsBy(removed, day(64))).toEqual(['certificate2']);
  expect(idsBy(on(replica, issuedOn('certificate1', 30)), day(64))).toEqual(['certificate2']);
});

test.each([
  ['in the replica', (event: WrittenEvent) => given([event, BEGAN])],
  ['not in the replica yet', (event: WrittenEvent) => on(given(), event)],
])('a claim counts for as long as any lasts, and is nothing when a wrong clock made it longer, %s', (_, stateOf) => {
  const now = day(0);
  expect(idsBy(stateOf(claimed('certificate1', day(8))), now)).toEqual([]);
  expect(idsBy(stateOf(claimed('certificate1', day(9))), now)).toEqual(['certificate1']);
  // By then it is due in any case, once.
  expect(idsBy(stateOf(claimed('certificate1', day(9))), day(10), now)).toEqual(['certificate1']);
});
