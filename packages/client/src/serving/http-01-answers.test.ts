/** Tests of what a client answers to HTTP-01. */
import type { Account, Challenge } from '@certbus/events/history';
import { expect, test } from 'vitest';
import { createHttp01Answers } from './http-01-answers.ts';

const NOW = Date.parse('2026-11-24T03:00:00Z');
const thumbprint = (letter: string) => letter.repeat(43);
const account = (name: string, letter: string, mark: { readonly stateless?: true } = {}): Account => {
  const directory = `https://${name}.test/`;
  return {
    directory,
    accountUrl: `${directory}1`,
    thumbprint: thumbprint(letter),
    sealedKey: '',
    keyPosition: 1,
    ...mark,
  };
};
const presented = (
  token: string,
  letter: string,
  { forMs = 900_000, challengeType = 'http-01' as const as Challenge['challengeType'] } = {},
): Challenge => {
  const expiresAt = new Date(NOW + forMs).toISOString();
  return {
    issuanceId: 'issuance1',
    challengeType,
    identifier: 'a.test',
    token,
    thumbprint: thumbprint(letter),
    expiresAt,
  };
};
const accounts = [account('one', 'A'), account('two', 'B', { stateless: true }), account('three', 'C')];

function answer(token: string, ...challenges: readonly Challenge[]): string | undefined {
  const answers = createHttp01Answers({ now: () => new Date(NOW) });
  answers.refresh({ accounts, challenges });
  return answers.keyAuthorization(token);
}

test('any token is answered for the account that is marked, whatever its place', () => {
  expect(answer('token')).toBe(`token.${thumbprint('B')}`);
});

test('no token is answered for accounts that are not marked', () => {
  const answers = createHttp01Answers({ now: () => new Date(NOW) });
  expect(answers.keyAuthorization('token')).toBeUndefined();
  answers.refresh({ accounts: accounts.filter(({ stateless }) => !stateless), challenges: [] });
  expect(answers.keyAuthorization('token')).toBeUndefined();
});

test('an announced token is answered with the key that was announced with it, the newest where there are two', () => {
  const challenges = [presented('token', 'A'), presented('other', 'C'), presented('token', 'D')];
  expect(['token', 'other', 'third'].map((token) => answer(token, ...challenges))).toEqual([
    `token.${thumbprint('D')}`,
    `other.${thumbprint('C')}`,
    `third.${thumbprint('B')}`,
  ]);
});

test('a token of another type of challenge, or of one that is over, is not an announced one', () => {
  const marked = `token.${thumbprint('B')}`;
  expect(answer('token', presented('token', 'A', { challengeType: 'tls-alpn-01' }))).toBe(marked);
  expect(answer('token', presented('token', 'A', { forMs: 0 }))).toBe(marked);
  // A manager that says that it is 2099.
  expect(answer('token', presented('token', 'A', { forMs: 70 * 365 * 86_400_000 }))).toBe(marked);
});
