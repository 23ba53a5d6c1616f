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
  { type: 'AccountRegistered', ...account('one', 'A') },
  { type: 'AccountRegistered', ...account('two', 'A') },
];
const next = { thumbprint: thumbprint('B'), sealedKey: Buffer.from('B').toString('base64') };
const started: BusEvent = { type: 'AccountKeyRollOverStarted', ...next };

test('a key that is to come changes no account', () => {
  const state = given(...registered, started);
  expect(state.accounts).toEqual([account('one', 'A'), account('two', 'A')]);
  expect(state.nextAccountKey).toEqual(next);
});

test('a roll-over is over when every account has the new key; the newest key stands last', () => {
  const half = given(...registered, started, { type: 'AccountKeyRolledOver', ...account('one', 'B') });
  expect(half.accounts).toEqual([account('two', 'A'), account('one', 'B')]);
  expect(half.nextAccountKey).toEqual(next);
  const whole = given(
    ...registered,
    started,
    { type: 'AccountKeyRolledOver', ...account('one', 'B') },
    {
      type: 'AccountKeyRolledOver',
      ...account('two', 'B'),
    },
  );
  expect(whole.accounts.map((one) => one.thumbprint)).toEqual([thumbprint('B'), thumbprint('B')]);
  expect(whole.nextAccountKey).toBeUndefined();
});

test('an account that was given up is none any more, and is remembered', () => {
  const { sealedKey: _, ...closed } = account('one', 'A');
  const state = given(...registered, { type: 'AccountDeactivated', ...closed });
  expect(state.accounts).toEqual([account('two', 'A')]);
  expect(state.closedAccounts).toEqual([closed]);
});

const presented = (issuanceId: string, identifier: string, expiresAt = '2026-11-24T03:15:00.000Z'): BusEvent => ({
  type: 'ChallengePresented',
  issuanceId,
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
