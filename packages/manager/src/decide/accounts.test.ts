/** Tests of what a bus records of its accounts, given what it recorded before. */
import { sha256 } from '@certbus/events';
import type { WrittenEvent } from '@certbus/events/history';
import { describe, expect, test } from 'vitest';
import { accountAt, isStateless } from '../state/accounts.ts';
import {
  abandonRollOver,
  markStateless,
  proposeFirstKey,
  recordDeactivated,
  recordRegistered,
  recordRolledOver,
  startRollOvers,
} from './accounts.ts';
import { given as stateAfter } from './state.builders.ts';

const AT = new Date('2026-11-24T03:00:00Z');
const keyOf = (name: string) => ({
  thumbprint: sha256(Buffer.from(name)),
  sealedKey: Buffer.from(name).toString('base64'),
});
const [one, two, three] = [keyOf('one'), keyOf('two'), keyOf('three')];
const [directory, elsewhere] = ['https://ca.test/dir', 'https://other.test/dir'];
const place = { directory, accountUrl: 'https://ca.test/account/1' };
const account = { ...place, ...one };
const known = { ...account, keyPosition: 2 };
const registered: WrittenEvent = { type: 'AccountRegistered', ...account };
const started: WrittenEvent = { type: 'AccountKeyRollOverStarted', directory, ...two };
const abandoned: WrittenEvent = { type: 'AccountKeyRollOverAbandoned', directory, thumbprint: two.thumbprint };
const rolledOver: WrittenEvent = { type: 'AccountKeyRolledOver', ...place, ...two };
const other: WrittenEvent = {
  type: 'AccountRegistered',
  directory: elsewhere,
  accountUrl: 'https://other.test/account/1',
  ...three,
};

const given = (...events: readonly WrittenEvent[]) => stateAfter(...events.map((event) => [event, AT] as const));

describe('the first key of an account', () => {
  test.each([
    ['none', []],
    ['an account at another CA', [other]],
  ])('given %s, when one is made, then it is put on the bus', (_, events) => {
    expect(proposeFirstKey(given(...events), directory, one)).toEqual({
      events: [{ type: 'AccountKeyRollOverStarted', directory, ...one }],
      result: one,
    });
  });

  test.each([
    ['an account', [registered], account],
    ['a key that is to come', [started], two],
  ])('given %s, when another is made, then the one on the bus counts', (_, events, key) => {
    expect(proposeFirstKey(given(...events), directory, three)).toMatchObject({ events: [], result: key });
  });
});

describe('a roll-over', () => {
  const fresh = new Map([
    [directory, two],
    [elsewhere, one],
  ]);

  test('given no account, then it is refused', () => {
    expect(() => startRollOvers(given(), { fresh })).toThrow(
      expect.objectContaining({ code: 'CERTBUS_MANAGER_ACCOUNT_MISSING' }),
    );
  });

  test('given accounts at two CAs, then each gets a key of its own', () => {
    expect(startRollOvers(given(registered, other), { fresh })).toEqual({
      events: [started, { type: 'AccountKeyRollOverStarted', directory: elsewhere, ...one }],
      result: [directory, elsewhere],
    });
  });

  test('given an interrupted one, when it is started again, then that alone is completed', () => {
    expect(startRollOvers(given(registered, other, started), { fresh })).toEqual({ events: [], result: [directory] });
  });

  test('given keys of some age, when older ones are to go, then the others stay', () => {
    const state = given(registered, other, started, rolledOver);
    expect(startRollOvers(state, { fresh, keysBefore: 4 }).result).toEqual([elsewhere]);
    expect(startRollOvers(state, { fresh, keysBefore: 5 }).result).toEqual([elsewhere, directory]);
    expect(startRollOvers(state, { fresh, keysBefore: 2 })).toEqual({ events: [], result: [] });
  });

  test('given one that is under way, when the CA took the key, then that is recorded once', () => {
    expect(recordRolledOver(given(registered, started), known, two).events).toEqual([rolledOver]);
    expect(recordRolledOver(given(registered, started, rolledOver), known, two).events).toEqual([]);
  });

  test('given one that was given up, when the CA took the key all the same, then that is recorded', () => {
    const next: WrittenEvent = { type: 'AccountKeyRollOverStarted', directory, ...three };
    expect(recordRolledOver(given(registered, started, abandoned, next), known, two).events).toEqual([rolledOver]);
  });

  test('given the next one, when a CA took the key of the one before, then nothing is recorded', () => {
    const next: WrittenEvent = { type: 'AccountKeyRollOverStarted', directory, ...three };
    expect(recordRolledOver(given(registered, started, rolledOver, next), known, two).events).toEqual([]);
  });

  test('when it is given up, then that is recorded once, and never of another key', () => {
    const give = (...events: WrittenEvent[]) => abandonRollOver(given(...events), directory, two.thumbprint).events;
    expect(give(registered, started)).toEqual([abandoned]);
    expect(give(registered, started, abandoned)).toEqual([]);
    expect(give(registered, started, rolledOver)).toEqual([]);
    expect(give(registered, { type: 'AccountKeyRollOverStarted', directory, ...three })).toEqual([]);
  });
});

describe('an account', () => {
  const first: WrittenEvent = { type: 'AccountKeyRollOverStarted', directory, ...one };

  test('given its key, when a CA registered it, then it is recorded', () => {
    expect(recordRegistered(given(first), account).events).toEqual([registered]);
  });

  test.each([
    ['one at the same CA', [registered, started], { ...account, accountUrl: `${directory}/2`, ...two }],
    ['another key that is to come', [started], account],
    ['no key that is to come', [], account],
  ])('given %s, when a CA registered another, then that is not recorded', (_, events, registering) => {
    expect(recordRegistered(given(...events), registering).events).toEqual([]);
  });

  test('given a roll-over, when another account was registered in the place of this one, then it is recorded once', () => {
    const second = { directory, accountUrl: `${directory}/2`, ...two };
    const replaced: WrittenEvent = { type: 'AccountRegistered', ...second };
    const record = (...events: WrittenEvent[]) => recordRegistered(given(...events), second, place.accountUrl).events;
    expect(record(registered, started)).toEqual([replaced]);
    expect(record(registered, started, replaced)).toEqual([]);
    const closed = { type: 'AccountDeactivated' as const, ...place, thumbprint: one.thumbprint };
    expect(recordDeactivated(given(registered, started, replaced), account).events).toEqual([closed]);
    expect(recordDeactivated(given(registered, started, replaced, closed), account).events).toEqual([]);
  });

  test('when it was deactivated, then that is recorded once', () => {
    const closed = { type: 'AccountDeactivated' as const, ...place, thumbprint: one.thumbprint };
    expect(recordDeactivated(given(registered), account).events).toEqual([closed]);
    expect(recordDeactivated(given(registered, closed), account).events).toEqual([]);
  });
});

describe('the account that needs no announcement', () => {
  const config: WrittenEvent = { type: 'ConfigUpdated', sealed: 'AAAA' };
  const mark = { directory: elsewhere, configPosition: 2 };
  const marked: WrittenEvent = { ...registered, stateless: true } as WrittenEvent;

  test('given another default CA, then the mark moves, once', () => {
    const { events } = markStateless(given(config, marked, other), mark);
    expect(events).toEqual([{ ...other, stateless: true }]);
    const after = given(config, marked, other, ...events);
    expect(after.bus.accounts.filter(({ stateless }) => stateless)).toEqual([accountAt(after.bus, elsewhere)]);
    expect(markStateless(after, mark).events).toEqual([]);
  });

  test('given a newer configuration, or no account there, then nothing is recorded', () => {
    expect(markStateless(given(config, marked, other, config), mark).events).toEqual([]);
    expect(markStateless(given(config, marked), mark).events).toEqual([]);
  });

  test('given a roll-over of it, then it needs announcement until that is over; roll-overs of others change nothing', () => {
    const needed = (...events: WrittenEvent[]) => !isStateless(given(...events).bus, one.thumbprint);
    expect(needed(marked, other)).toBe(false);
    expect(needed(marked, started)).toBe(true);
    expect(needed(marked, started, abandoned)).toBe(false);
    expect(needed(marked, { type: 'AccountKeyRollOverStarted', directory: elsewhere, ...two })).toBe(false);
    expect(needed(registered)).toBe(true);
    expect(isStateless(given(marked, started, rolledOver).bus, two.thumbprint)).toBe(true);
    expect(isStateless(given(marked, other).bus, three.thumbprint)).toBe(false);
  });
});
