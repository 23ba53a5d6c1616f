import { expect, test } from 'vitest';
import type { BusEvent } from '../event-types/event-schema.ts';
import { type BusState, EMPTY_BUS, evolveBus } from './bus-state.ts';
import { readEvent } from './codec.ts';

const at = new Date('2026-11-24T03:00:00Z');
const thumbprint = (letter: string) => `${letter.repeat(42)}A`;
const account = (name: string, letter: string) => ({
  directory: `https://${name}.test/dir`,
  accountUrl: `https://${name}.test/account/1`,
  thumbprint: thumbprint(letter),
  sealedKey: Buffer.from(letter).toString('base64'),
});

const given = (...events: readonly BusEvent[]): BusState =>
  events.reduce<BusState>(
    (state, event, index) => evolveBus(state, { events: [readEvent(event)], at, position: index + 1 }),
    EMPTY_BUS,
  );

const registered: BusEvent[] = [
  { type: 'AccountRegistered', ...account('one', 'A'), stateless: true },
  { type: 'AccountRegistered', ...account('two', 'B') },
];
const keyFor = (name: string, letter: string) => {
  const { accountUrl: _, ...key } = account(name, letter);
  return key;
};
const started: BusEvent = { type: 'AccountKeyRollOverStarted', ...keyFor('one', 'C') };
const keysOf = ({ accounts }: BusState) => accounts.map((each) => [each.thumbprint, each.keyPosition]);
const markedIn = ({ accounts }: BusState) =>
  accounts.filter(({ stateless }) => stateless).map(({ accountUrl }) => accountUrl);

test('a key that is to come changes no account', () => {
  const state = given(...registered, started);
  expect(state.accounts).toEqual([
    { ...account('one', 'A'), stateless: true, keyPosition: 1 },
    { ...account('two', 'B'), keyPosition: 2 },
  ]);
  expect(state.nextAccountKeys).toEqual([{ ...keyFor('one', 'C'), keyPosition: 3 }]);
});

test('a roll-over is over when its account has the new key, whatever the others have; the mark stays', () => {
  const other: BusEvent = { type: 'AccountKeyRollOverStarted', ...keyFor('two', 'D') };
  const state = given(...registered, started, other, { type: 'AccountKeyRolledOver', ...account('one', 'C') });
  expect(keysOf(state)).toEqual([
    [thumbprint('B'), 2],
    [thumbprint('C'), 3],
  ]);
  expect(state.nextAccountKeys).toEqual([{ ...keyFor('two', 'D'), keyPosition: 4 }]);
  expect(markedIn(state)).toEqual([account('one', 'C').accountUrl]);
});

test('a roll-over that is given up leaves the account its key', () => {
  const abandoned: BusEvent = {
    type: 'AccountKeyRollOverAbandoned',
    directory: 'https://one.test/dir',
    thumbprint: thumbprint('C'),
  };
  const state = given(...registered, started, abandoned);
  expect(state).toEqual(given(...registered));
  const later: BusEvent = { type: 'AccountKeyRollOverStarted', ...keyFor('one', 'D') };
  expect(given(...registered, started, later, abandoned).nextAccountKeys).toHaveLength(1);
});

test('one account at a time is answered for without announcement: the one that the newest event names', () => {
  expect(markedIn(given(...registered))).toEqual([account('one', 'A').accountUrl]);
  const moved = given(...registered, { type: 'AccountRegistered', ...account('two', 'B'), stateless: true });
  expect(markedIn(moved)).toEqual([account('two', 'B').accountUrl]);
  expect(keysOf(moved)).toEqual([
    [thumbprint('A'), 1],
    [thumbprint('B'), 2],
  ]);
  const unmarked = given(...registered, { type: 'AccountRegistered', ...account('one', 'A') });
  expect(markedIn(unmarked)).toEqual([]);
});

test('an account whose place another takes is kept until it is deactivated', () => {
  const first: BusEvent = { type: 'AccountKeyRollOverStarted', ...keyFor('one', 'C') };
  const second = { ...account('one', 'C'), accountUrl: 'https://one.test/account/2' };
  const { sealedKey: _, ...closed } = account('one', 'A');
  const events: BusEvent[] = [...registered, first, { type: 'AccountRegistered', ...second, stateless: true }];
  const state = given(...events);
  expect(state.accounts.at(-1)).toEqual({ ...second, stateless: true, keyPosition: 3 });
  expect(state.replacedAccounts).toEqual([{ ...account('one', 'A'), keyPosition: 1 }]);
  expect(state.nextAccountKeys).toEqual([]);
  const later: BusEvent = { type: 'AccountKeyRollOverStarted', ...keyFor('one', 'D') };
  const over = given(...events, later, { type: 'AccountDeactivated', ...closed });
  expect(over.replacedAccounts).toEqual([]);
  expect(over.accounts).toHaveLength(2);
  expect(over.nextAccountKeys).toHaveLength(1);
});

test('an account that was given up is none any more, and is remembered; no key is to come for it', () => {
  const { sealedKey: _, ...closed } = account('one', 'A');
  const state = given(...registered, started, { type: 'AccountDeactivated', ...closed });
  expect(state.accounts).toEqual([{ ...account('two', 'B'), keyPosition: 2 }]);
  expect(state.nextAccountKeys).toEqual([]);
  expect(state.closedAccounts).toEqual([closed]);
});

const presented = (issuanceId: string, identifier: string, expiresAt = '2026-11-24T03:15:00.000Z'): BusEvent => ({
  type: 'ChallengePresented',
  issuanceId,
  challengeType: 'tls-alpn-01',
  identifier,
  token: 'token',
  thumbprint: thumbprint('A'),
  expiresAt,
});
const identifiersOf = ({ challenges }: BusState) => challenges.map(({ identifier }) => identifier);

test('a challenge is answered until its issuance ends', () => {
  const failed = { certificateId: 'cert0001', problem: 'x', class: 'temporary', detail: '', attempt: 1 } as const;
  const both = given(presented('issuance1', 'a.test'), presented('issuance2', 'b.test'));
  expect(identifiersOf(both)).toEqual(['a.test', 'b.test']);
  const ended = given(presented('issuance1', 'a.test'), presented('issuance2', 'b.test'), {
    type: 'IssuanceFailed',
    issuanceId: 'issuance1',
    ...failed,
    notBefore: at.toISOString(),
  });
  expect(identifiersOf(ended)).toEqual(['b.test']);
});

test('a challenge that nobody ends lapses', () => {
  const state = given(presented('issuance1', 'a.test'));
  const later = (minutes: number) => new Date(at.getTime() + minutes * 60_000);
  expect(identifiersOf(evolveBus(state, { events: [], at: later(14), position: 2 }))).toEqual(['a.test']);
  expect(identifiersOf(evolveBus(state, { events: [], at: later(15), position: 2 }))).toEqual([]);
});

test('an account with a key that is neither the one there nor to come is not taken', () => {
  const known = given(...registered, started);
  // As an expelled manager's account that a manager in force had repeated before the expulsion made it void.
  const foreign = { ...account('one', 'D'), accountUrl: 'https://one.test/account/thief' };
  expect(given(...registered, started, { type: 'AccountRegistered', ...foreign, stateless: true })).toEqual(known);
  const replaced = { ...account('one', 'C'), accountUrl: 'https://one.test/account/2' };
  const next = given(...registered, started, { type: 'AccountRegistered', ...replaced });
  expect(next.accounts).toContainEqual({ ...replaced, keyPosition: 3 });
});

test('a roll-over of another account than the one there is not taken', () => {
  const { sealedKey, directory } = account('one', 'C');
  const accountUrl = 'https://one.test/account/thief';
  const rolled = {
    type: 'AccountKeyRolledOver' as const,
    directory,
    accountUrl,
    thumbprint: thumbprint('C'),
    sealedKey,
  };
  expect(given(...registered, started, rolled)).toEqual(given(...registered, started));
});

const raised = (subject: string, more: object = {}): BusEvent => ({
  type: 'AlertRaised',
  alert: 'failing',
  subject,
  detail: 'why',
  since: at.toISOString(),
  ...more,
});
const cleared = (subject: string, more: object = {}): BusEvent => ({
  type: 'AlertCleared',
  alert: 'failing',
  subject,
  until: at.toISOString(),
  ...more,
});

test('an alert is raised until it is cleared, once for a kind and a subject', () => {
  const one = { alert: 'failing', subject: 'one', detail: 'why', since: at.toISOString(), pending: [] };
  const { alerts } = given(raised('one', { pending: ['hook'] }), raised('two'), raised('one'));
  expect(alerts).toEqual([{ ...one, subject: 'two' }, one]);
  expect(given(raised('one'), raised('two'), cleared('one')).alerts).toEqual([{ ...one, subject: 'two' }]);
  const other = { ...cleared('one'), alert: 'expired' } as BusEvent;
  expect(given(raised('one'), other, cleared('three')).alerts).toEqual([one]);
});

test('an alert that is over stays while a place is to be told of it, and is raised again by the next', () => {
  const state = given(raised('one'), cleared('one', { pending: ['hook'] }));
  expect(state.alerts).toMatchObject([{ subject: 'one', until: at.toISOString(), pending: ['hook'] }]);
  expect(given(raised('one'), cleared('one', { pending: ['hook'] }), cleared('one')).alerts).toEqual([]);
  const again = given(raised('one'), cleared('one', { pending: ['hook'] }), raised('one')).alerts;
  expect(again).toEqual([{ alert: 'failing', subject: 'one', detail: 'why', since: at.toISOString(), pending: [] }]);
});

test('no one who has a key fills the state with alerts', () => {
  const { alerts } = given(...Array.from({ length: 600 }, (_, n) => raised(`${n}`)));
  expect([alerts.length, alerts[0]?.subject]).toEqual([500, '0']);
});
