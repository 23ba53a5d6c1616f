import { expect, test } from 'vitest';
import type { BusEvent } from '../event-types/event-schema.ts';
import { isKnown, vocabulary } from '../event-types/event-schema.ts';
import { type BusState, EMPTY_BUS, evolveBus } from './bus-state.ts';
import { parseBusState } from './bus-state-schema.ts';
import { type ReadEvent, readEvent } from './codec.ts';
import { evolve } from './evolve.ts';

const at = new Date('2026-11-24T03:00:00Z');
const thumbprint = `${'A'.repeat(42)}A`;
const expiresAt = new Date(at.getTime() + 600_000).toISOString();

const after = (state: BusState, events: readonly ReadEvent[]): BusState =>
  evolveBus(state, { events, at, position: 7 });
const given = (...events: readonly BusEvent[]): BusState => after(EMPTY_BUS, events.map(readEvent));
const isReadable = (state: BusState): boolean => parseBusState(JSON.parse(JSON.stringify(state))) !== undefined;

const account = (directory: string, number = 1) => ({
  directory,
  accountUrl: `${directory}/account/${number}`,
  thumbprint,
  sealedKey: 'AAAA',
});
const challenge = (number: number) => ({
  type: 'ChallengePresented' as const,
  issuanceId: `issuance${number}`,
  challengeType: 'http-01' as const,
  identifier: 'a.test',
  token: `token${number}`,
  thumbprint,
  expiresAt,
});
const range = (length: number) => Array.from({ length }, (_, index) => index);

test('unknown types and fields are bounded, each for itself, and say that there were more', () => {
  const types = range(1_000).map((number) => readEvent({ type: `Moon${number}` }));
  const fields = Object.fromEntries(range(1_000).map((number) => [`phase${number}`, 1]));
  const odd = readEvent({ type: 'CertificateRemoved', certificateId: 'certificate1', ...fields } as { type: string });
  const state = after(after(EMPTY_BUS, [...types, odd]), [...types, odd]);
  expect(state.unknown).toHaveLength(101);
  expect(state.unknown.filter((what) => !what.includes('.'))).toHaveLength(50);
  expect(state.unknown.filter((what) => what.startsWith('CertificateRemoved.'))).toHaveLength(50);
  expect(isReadable(state)).toBe(true);
});

test('a release that knows other types reads a bus again of which some were left out, and this one does not', () => {
  const types = range(51).map((number) => readEvent({ type: `Moon${number}` }));
  const { unknown } = after(EMPTY_BUS, types);
  expect(unknown.at(-1)).toBe(`*.${vocabulary}`);
  expect(unknown.some(isKnown)).toBe(false);
  expect(isKnown('*.vocabularyofothers')).toBe(true);
  // One that only a stranger can have written: it would have every server read the bus at every start.
  expect(after(EMPTY_BUS, [readEvent({ type: '*.vocabularyofothers' })]).unknown).toEqual([]);
});

test('what fits is noted as it was, and a name of any length is cut', () => {
  const long = 'x'.repeat(10_000);
  const odd = readEvent({ type: 'CertificateRemoved', certificateId: 'certificate1', [long]: 1 } as { type: string });
  const { unknown } = after(EMPTY_BUS, [readEvent({ type: 'MoonPhaseChanged' }), readEvent({ type: long }), odd]);
  expect(unknown).toEqual(['MoonPhaseChanged', 'x'.repeat(80), `CertificateRemoved.${'x'.repeat(80)}`]);
});

test('a challenge that is announced again is there once, and those of another issuance stay', () => {
  const again = { ...challenge(1), expiresAt: new Date(at.getTime() + 900_000).toISOString() };
  const { challenges } = given(challenge(1), challenge(2), { ...challenge(1), issuanceId: 'issuance9' }, again);
  expect(challenges.map(({ issuanceId }) => issuanceId)).toEqual(['issuance2', 'issuance9', 'issuance1']);
  expect(challenges.at(-1)?.expiresAt).toBe(again.expiresAt);
});

test('of very many challenges the newest are answered', () => {
  const full = { ...EMPTY_BUS, challenges: range(5_000).map((number) => challenge(number)) };
  const state = after(
    full,
    range(3).map((number) => readEvent(challenge(5_000 + number))),
  );
  expect(state.challenges).toHaveLength(5_000);
  expect(state.challenges.at(-1)?.token).toBe('token5002');
  expect(isReadable(state)).toBe(true);
});

test('accounts, keys and closed accounts at one directory too many push out nothing', () => {
  const directories = range(300).map((number) => `https://ca${number}.test`);
  const state = given(
    ...directories.flatMap((directory): BusEvent[] => [
      { type: 'AccountRegistered', ...account(directory) },
      { type: 'AccountKeyRollOverStarted', directory, thumbprint, sealedKey: 'AAAA' },
    ]),
  );
  expect([state.accounts.length, state.nextAccountKeys.length]).toEqual([100, 100]);
  expect(state.accounts[0]?.directory).toBe(directories[0]);
  const { sealedKey: _, ...closed } = account(directories[0] ?? '');
  const events = directories.map((directory): BusEvent => ({ type: 'AccountDeactivated', ...closed, directory }));
  const after300 = events.reduce<BusState>((before, event) => after(before, [readEvent(event)]), state);
  expect(after300.closedAccounts).toHaveLength(100);
  expect(after300.closedAccounts[0]?.directory).toBe(directories[0]);
  expect(isReadable(after300)).toBe(true);
  // What is there can be changed, however many there are.
  const renewed = after(state, [readEvent({ type: 'AccountRegistered', ...account(directories[7] ?? '', 2) })]);
  expect(renewed.accounts.find(({ directory }) => directory === directories[7])?.accountUrl).toMatch(/\/2$/);
});

test('accounts that wait to be deactivated are there once, never the current one, and the oldest stay', () => {
  const registered = (number: number): BusEvent => ({
    type: 'AccountRegistered',
    ...account('https://ca.test', number),
  });
  const urls = ({ replacedAccounts }: BusState) => replacedAccounts.map(({ accountUrl }) => accountUrl.slice(-1));
  const state = given(registered(1), registered(2), registered(1), registered(2), registered(3));
  expect(urls(state)).toEqual(['1', '2']);
  expect(urls(after(state, [readEvent(registered(1))]))).toEqual(['2', '3']);
  const many = given(...range(300).map(registered));
  expect(many.replacedAccounts).toHaveLength(100);
  expect(many.replacedAccounts[0]?.accountUrl).toMatch(/\/0$/);
  expect(isReadable(many)).toBe(true);
});

test('a closed account is remembered once for its directory, which is what keeps a manager from registering another', () => {
  const { sealedKey: _, ...closed } = account('https://ca.test');
  const events = range(50).map(
    (number): BusEvent => ({ type: 'AccountDeactivated', ...closed, accountUrl: `https://ca.test/account/${number}` }),
  );
  expect(given(...events).closedAccounts).toEqual([{ ...closed, accountUrl: 'https://ca.test/account/49' }]);
});

test.each([
  ['unknown', (state: BusState) => ({ ...state, unknown: range(102).map(String) })],
  ['challenges', (state: BusState) => ({ ...state, challenges: range(5_001).map((number) => challenge(number)) })],
  ['voided', (state: BusState) => ({ ...state, voided: range(21).map(() => ({ type: 'X', position: 1, rule: 'x' })) })],
])('a snapshot with a longer list of %s is refused', (_, change) => {
  expect(parseBusState(JSON.parse(JSON.stringify(change(EMPTY_BUS))))).toBeUndefined();
});

test('of very many key pairs of one issuance the newest stay', () => {
  const ids = { issuanceId: 'issuance1', certificateId: 'certificate1' };
  const started = evolve(
    undefined,
    {
      type: 'IssuanceStarted',
      ...ids,
      names: ['a.test'],
      reason: 'new',
      challengeType: 'dns-01',
      directory: 'https://ca.test',
      holder: 'one',
      until: expiresAt,
      csr: 'AAAA',
      sealedKey: 'AAAA',
      recipientsPosition: 1,
    },
    { at },
  );
  const csrs = range(100).map((number) => Buffer.from(`${number}`).toString('base64'));
  const state = csrs.reduce(
    (before, csr) =>
      evolve(before, { type: 'CsrReplaced', ...ids, csr, sealedKey: 'AAAA', recipientsPosition: 1 }, { at }),
    started,
  );
  expect(state?.issuance?.csrs.map(({ csr }) => csr)).toEqual(csrs.slice(-16));
});

test('a type whose name passes for a field that this release knows is not noted, and one part too many is not known', () => {
  const state = given({ type: 'CertificateObtained.leaf' } as never);
  expect(state.unknown).toEqual([]);
  expect(['CertificateObtained', 'CertificateObtained.leaf', 'CertificateObtained.leaf.x'].map(isKnown)).toEqual([
    true,
    true,
    false,
  ]);
});
