/** Tests of what a bus records of its accounts, given what it recorded before. */
import { sha256 } from '@certbus/events';
import type { WrittenEvent } from '@certbus/events/history';
import { describe, expect, test } from 'vitest';
import { recordDeactivated, recordRegistered, recordRolledOver, shareAccountKey, startRollOver } from './accounts.ts';
import { given as stateAfter } from './state.builders.ts';

const AT = new Date('2026-11-24T03:00:00Z');
const keyOf = (name: string) => ({
  thumbprint: sha256(Buffer.from(name)),
  sealedKey: Buffer.from(name).toString('base64'),
});
const [one, two, three] = [keyOf('one'), keyOf('two'), keyOf('three')];
const place = { directory: 'https://ca.test/dir', accountUrl: 'https://ca.test/account/1' };
const account = { ...place, ...one };
const registered: WrittenEvent = { type: 'AccountRegistered', ...account };
const started: WrittenEvent = { type: 'AccountKeyRollOverStarted', ...two };

const given = (...events: readonly WrittenEvent[]) => stateAfter(...events.map((event) => [event, AT] as const));

describe('the shared key', () => {
  test('given none, when one is made, then it is put on the bus', () => {
    expect(shareAccountKey(given(), one)).toEqual({
      events: [{ type: 'AccountKeyRollOverStarted', ...one }],
      result: one,
    });
  });

  test.each([
    ['an account', [registered], account],
    ['a roll-over', [registered, started], two],
  ])('given %s, when another key is made, then the one on the bus counts', (_, events, key) => {
    expect(shareAccountKey(given(...events), three)).toEqual({ events: [], result: key });
  });
});

describe('a roll-over', () => {
  test('given no account, then it is refused', () => {
    expect(() => startRollOver(given(), two)).toThrow(
      expect.objectContaining({ code: 'CERTBUS_MANAGER_ACCOUNT_MISSING' }),
    );
  });

  test('given an interrupted one, when it is started again, then its key counts', () => {
    expect(startRollOver(given(registered, started), three)).toEqual({ events: [], result: two });
  });

  test('given one that is under way, when the CA took the key, then that is recorded once', () => {
    const rolledOver = { type: 'AccountKeyRolledOver' as const, ...place, ...two };
    expect(recordRolledOver(given(registered, started), account, two.thumbprint).events).toEqual([rolledOver]);
    expect(recordRolledOver(given(registered, started, rolledOver), account, two.thumbprint).events).toEqual([]);
  });

  test('given the next one, when a CA took the key of the one before, then nothing is recorded', () => {
    const next: WrittenEvent = { type: 'AccountKeyRollOverStarted', ...three };
    expect(recordRolledOver(given(registered, started, next), account, two.thumbprint).events).toEqual([]);
  });
});

describe('an account', () => {
  test('given none, when a CA registered it, then it is recorded', () => {
    expect(recordRegistered(given(), account).events).toEqual([registered]);
  });

  test.each([
    ['one at the same CA', [registered], account],
    ['a roll-over that began meanwhile', [started], account],
  ])('given %s, when a CA registered another, then that is not recorded', (_, events, other) => {
    expect(recordRegistered(given(...events), other).events).toEqual([]);
  });

  test('when it was deactivated, then that is recorded once', () => {
    const closed = { type: 'AccountDeactivated' as const, ...place, thumbprint: one.thumbprint };
    expect(recordDeactivated(given(registered), account).events).toEqual([closed]);
    expect(recordDeactivated(given(registered, closed), account).events).toEqual([]);
  });
});
