import type { Failure, Issuance, ManagedCertificate } from '@certbus/events';
import { readEvent } from '@certbus/events/history';
import { expect, test } from 'vitest';
import type { Alert } from './alert.ts';
import { type AlertPicture, findAlerts } from './find-alerts.ts';
import { parseQuotaSubject, type Quota, quotaSubject } from './quota.ts';

const DIRECTORY = 'https://ca.test/dir';
const now = new Date('2026-11-29T12:00:00Z');
const ago = (minutes: number) => new Date(now.getTime() - minutes * 60_000).toISOString();
const DAY = 1_440;

function certificate(id: string, { leftDays = 40, ...more }: Partial<ManagedCertificate> & { leftDays?: number } = {}) {
  const current = {
    names: [`${id}.test`],
    leaf: '',
    issuers: [],
    sealedKey: '',
    serialNumber: '0A',
    notBefore: ago((90 - leftDays) * DAY),
    notAfter: ago(-leftDays * DAY),
    leafHash: id,
    directory: DIRECTORY,
  };
  const empty = { profile: undefined, keyType: undefined, issuance: undefined, failure: undefined };
  return {
    certificateId: id,
    names: [`${id}.test`],
    challengeType: 'dns-01',
    directory: DIRECTORY,
    current,
    predecessors: [],
    renewalInfo: undefined,
    revoked: false,
    removed: false,
    ...empty,
    ...more,
  } satisfies ManagedCertificate as ManagedCertificate;
}

const failure = (more: Partial<Failure> = {}): Failure => ({
  problem: 'p',
  class: 'temporary',
  detail: 'why',
  attempt: 2,
  directory: DIRECTORY,
  notBefore: ago(-10),
  since: ago(30),
  failedAt: ago(1),
  ...more,
});

/** What is found of these certificates. */
function alertsOf(certificates: readonly ManagedCertificate[], more: Partial<AlertPicture> = {}): readonly Alert[] {
  const byClass = Map.groupBy(
    certificates.filter((each) => each.failure),
    (each) => each.failure?.class ?? 'unknown',
  );
  const urgent = certificates.filter((each) => each.current);
  const picture: AlertPicture = {
    noted: [],
    certificate: (id) => certificates.find(({ certificateId }) => certificateId === id),
    failing: new Map([...byClass].map(([each, first]) => [each, { count: first.length, first }])),
    urgent: { count: urgent.length, first: urgent },
    open: certificates.filter(({ issuance }) => issuance),
    quotas: [],
    silentSince: undefined,
    ...more,
  };
  return findAlerts(picture, now);
}

const found = (...given: Parameters<typeof alertsOf>): string[] =>
  alertsOf(...given).map(({ kind, subject }) => `${kind} ${subject}`);

test.each<[string, Partial<Failure>, number, string[]]>([
  ['a first attempt that failed can be a mishap', { attempt: 1 }, 40, []],
  ['a second one is told of', { attempt: 2 }, 40, ['failing a']],
  ['a first one that a person has to mend is told of', { attempt: 1, class: 'operator-action' }, 40, ['failing a']],
  ['a first one with no time left is told of', { attempt: 1 }, 10, ['failing a', 'nearing-floor a']],
  ['one order at which a CA stumbles is not', { class: 'authority', since: ago(2) }, 40, []],
  ['a CA that does not answer is', { class: 'authority', retryAt: ago(-1) }, 40, [`ca-outage ${DIRECTORY}`]],
  ['a CA that goes on stumbling is', { class: 'authority' }, 40, [`ca-outage ${DIRECTORY}`]],
  ['an account that the CA refuses is', { class: 'account', since: ago(1) }, 40, [`ca-outage ${DIRECTORY}`]],
  ['a limit that the CA says is reached is', { class: 'rate-limited' }, 40, [`quota ${DIRECTORY}`]],
  [
    "a certificate's own failure is not hidden by one of its CA",
    { class: 'authority', retryAt: ago(-1), own: { problem: 'p', class: 'temporary', detail: 'own' } },
    40,
    ['failing a', `ca-outage ${DIRECTORY}`],
  ],
])('%s', (_, more, leftDays, expected) => {
  const one = certificate('a', { leftDays, failure: failure(more) });
  const noted = more.own ? [{ alert: 'failing', subject: 'a', detail: '', since: ago(9), pending: [] }] : [];
  expect(found([one], { noted })).toEqual(expected);
});

test('what is urgent is about to end, and what has ended has ended; what was revoked says nothing of its end', () => {
  const all = [
    certificate('fine'),
    certificate('late', { leftDays: 14 }),
    certificate('over', { leftDays: -1 }),
    certificate('revoked', { revoked: true }),
    certificate('removed', { leftDays: 1, removed: true }),
  ];
  expect(found(all)).toEqual(['nearing-floor late', 'expired over']);
});

test('a claim is stuck once no order takes so long', () => {
  const held = (minutes: number, holder: string | undefined = 'one') =>
    ({ holder, startedAt: ago(minutes), until: ago(-1) }) as Issuance;
  const all = [
    certificate('a', { issuance: held(359) }),
    certificate('b', { issuance: held(360) }),
    certificate('c', { issuance: { ...held(999), holder: undefined } }),
    certificate('d', { issuance: { ...held(999), heldSince: ago(359) } }),
    certificate('e', { issuance: { ...held(999), heldSince: ago(360) } }),
    certificate('f', { issuance: { ...held(2_159), heldSince: ago(1) } }),
    certificate('g', { issuance: { ...held(2_160), heldSince: ago(1) } }),
  ];
  expect(found(all)).toEqual(['claim-stuck b', 'claim-stuck e', 'claim-stuck g']);
  const [, late, handedOn] = alertsOf(all);
  expect(handedOn).toMatchObject({ detail: expect.stringContaining(`begun at ${ago(2_160)}, and is not done`) });
  expect(late).toMatchObject({ detail: `one has held the claim on e.test since ${ago(360)}, and is not done` });
});

test('more than twenty at once are one alert until none of them is left, next to those that were told of before', () => {
  const many = (count: number) => Array.from({ length: count }, (_, n) => certificate(`n${n}`, { failure: failure() }));
  expect(found(many(20))).toHaveLength(20);
  expect(found(many(21))).toEqual(['failing *']);
  const noted = ['*', 'n0', 'gone'].map((subject) => ({
    alert: 'failing',
    subject,
    detail: '',
    since: ago(9),
    pending: [],
  }));
  expect(found(many(3), { noted })).toEqual(['failing n0', 'failing *']);
  expect(found(many(1), { noted })).toEqual(['failing n0']);
  const detailOf = (count: number) => alertsOf(many(count), { noted }).at(-1)?.detail;
  expect(detailOf(3)).toBe(`2 certificates, one of them ${detailOf(2)}`);
});

test('an alert of texts as long as events take them is one that the bus takes, and two that are cut stay two', () => {
  const long = (end: string) => `${'\u{1F512}'.repeat(2_000)}${end}`;
  const outage = (id: string) =>
    certificate(id, { failure: failure({ class: 'authority', detail: long(''), directory: long(id), attempt: 9 }) });
  const noted = alertsOf([outage('a'), outage('b')]).map(({ kind, subject, detail, since }) => {
    const event = { type: 'AlertRaised' as const, alert: kind, subject, detail, since: since.toISOString() };
    expect([detail.length <= 1_000, subject.length <= 1_000, readEvent(event).event]).toEqual([true, true, event]);
    expect(detail.isWellFormed() && subject.isWellFormed()).toBe(true);
    return { ...event, pending: [] };
  });
  expect(new Set(noted.map(({ subject }) => subject)).size).toBe(2);
  const stumbles = certificate('a', {
    failure: failure({ class: 'authority', since: ago(2), directory: long('a') }),
  });
  expect([found([stumbles]), found([stumbles], { noted }).length]).toEqual([[], 1]);
});

test('a limit of which a tenth is left is told of until a fifth is', () => {
  const quota = (left: number): Quota => ({
    limit: 'orders',
    directory: DIRECTORY,
    subject: DIRECTORY,
    capacity: 100,
    left,
  });
  const subject = quotaSubject(quota(1));
  const noted = [{ alert: 'quota', subject, detail: '', since: ago(9), pending: [] }];
  expect(found([], { quotas: [quota(11)] })).toEqual([]);
  expect(found([], { quotas: [quota(10)] })).toEqual([`quota ${subject}`]);
  expect(found([], { quotas: [quota(20)], noted })).toEqual([`quota ${subject}`]);
  expect(found([], { quotas: [quota(21)], noted })).toEqual([]);
  expect(parseQuotaSubject(subject)).toEqual({ limit: 'orders', directory: DIRECTORY, subject: DIRECTORY });
  expect(parseQuotaSubject(DIRECTORY)).toBeUndefined();
});
