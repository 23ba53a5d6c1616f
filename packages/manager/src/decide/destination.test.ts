/** Tests of which CA an order goes to. */
import type { ManagedCertificate } from '@certbus/events';
import { expect, test } from 'vitest';
import { destinationOf, needsRehearsal } from './destination.ts';

const DAY = 86_400_000;
const START = Date.parse('2026-11-24T03:00:00Z');
const ownDirectory = 'https://own.test/dir';
const second = 'https://second.test/dir';
const authorities = {
  own: { directory: ownDirectory, termsOfServiceAgreed: true, fallback: 'second' },
  second: { directory: second, termsOfServiceAgreed: true },
};

interface Failed {
  readonly class: string;
  readonly attempt: number;
  /** Default: its own CA. */
  readonly directory?: string;
}

function certificate(failure?: Failed): ManagedCertificate {
  const current = { notBefore: new Date(START).toISOString(), notAfter: new Date(START + 90 * DAY).toISOString() };
  const whole = failure && {
    problem: '',
    detail: '',
    directory: ownDirectory,
    notBefore: current.notBefore,
    ...failure,
  };
  return { certificateId: 'certificate1', current, failure: whole } as ManagedCertificate;
}

const at = (days: number) => new Date(START + days * DAY);
const none = new Set<string>();

test.each<[string, Failed | undefined, number, ReadonlySet<string>, string]>([
  ['nothing failed', undefined, 60, none, ownDirectory],
  ['two attempts failed', { class: 'temporary', attempt: 2 }, 60, none, ownDirectory],
  ['three attempts failed', { class: 'temporary', attempt: 3 }, 60, none, second],
  ['four attempts failed, the last at the second CA', { class: 'temporary', attempt: 4 }, 60, none, ownDirectory],
  ['five attempts failed', { class: 'permanent-name', attempt: 5 }, 60, none, second],
  ['the CA is down, and a third of the lifetime is left', { class: 'authority', attempt: 1 }, 60, none, ownDirectory],
  ['the CA is down, and a tenth of the lifetime is left', { class: 'authority', attempt: 1 }, 81, none, second],
  ['the CA failed for another of this run, and a tenth is left', undefined, 81, new Set([ownDirectory]), second],
  ['the CA failed for another of this run, and a third is left', undefined, 60, new Set([ownDirectory]), ownDirectory],
  [
    'the second CA is down, and a tenth is left',
    { class: 'authority', attempt: 1, directory: second },
    81,
    none,
    ownDirectory,
  ],
  ['the second CA refuses our account', { class: 'account', attempt: 3, directory: second }, 81, none, ownDirectory],
  [
    'both failed for others of this run, and a tenth is left',
    undefined,
    81,
    new Set([ownDirectory, second]),
    ownDirectory,
  ],
  [
    'it is the turn of the second CA, which failed for another',
    { class: 'temporary', attempt: 3 },
    60,
    new Set([second]),
    ownDirectory,
  ],
])('when %s', (_, failure, day, unavailable, directory) => {
  const destination = destinationOf(certificate(failure), { ownDirectory, authorities, unavailable, now: at(day) });
  expect(destination).toEqual({ directory, fallbackFor: directory === ownDirectory ? undefined : ownDirectory });
});

test('when the CA is down, a revoked certificate does not wait for it, however much of its lifetime is left', () => {
  const revoked = { ...certificate({ class: 'authority', attempt: 1 }), revoked: true };
  const { directory } = destinationOf(revoked, { ownDirectory, authorities, unavailable: none, now: at(10) });
  expect(directory).toBe(second);
});

test('without a second CA it is always the first', () => {
  const alone = { own: { directory: ownDirectory, termsOfServiceAgreed: true } };
  const failing = certificate({ class: 'temporary', attempt: 3 });
  const destination = destinationOf(failing, { ownDirectory, authorities: alone, unavailable: none, now: at(89) });
  expect(destination).toEqual({ directory: ownDirectory, fallbackFor: undefined });
});

test.each([
  [undefined, false],
  [{ class: 'temporary', attempt: 1 }, false],
  [{ class: 'temporary', attempt: 2 }, true],
  [{ class: 'authority', attempt: 7 }, false],
])('after %j an order is rehearsed: %s', (failure, isRehearsed) => {
  expect(needsRehearsal(certificate(failure))).toBe(isRehearsed);
});
