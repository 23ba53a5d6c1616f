/** Tests of claims: who gets one, who waits, and what is renewed under it. */
import { readEvent, type WrittenEvent } from '@certbus/events/history';
import { describe, expect, test } from 'vitest';
import { type ClaimTerms, claimNew, claimRenewal, type IssuanceSubject } from './claim.ts';
import { given } from './state.builders.ts';

const NOW = new Date('2026-11-24T03:00:00Z');
const later = (ms: number) => new Date(NOW.getTime() + ms);
const CLAIM_MS = 300_000;
const GRACE_MS = 120_000;
const csr = { csr: 'Y3Ny', sealedKey: 'c2VhbGVk', recipientsPosition: 1 };
const terms = (holder: string): ClaimTerms => ({ holder, claimMs: CLAIM_MS, graceMs: GRACE_MS, takeOver: false });
const subject: IssuanceSubject = {
  names: ['a.test', 'www.a.test'],
  challengeType: 'dns-01',
  profile: undefined,
  directory: 'https://ca.test/dir',
};
const ids = { certificateId: 'newcertificate', issuanceId: 'newissuance', another: false };
const directory = subject.directory;

const started: WrittenEvent = {
  type: 'IssuanceStarted',
  issuanceId: 'issuance01',
  certificateId: 'certificate1',
  ...subject,
  reason: 'new',
  holder: 'alice',
  until: later(CLAIM_MS).toISOString(),
  ...csr,
};
const obtained: WrittenEvent = {
  type: 'CertificateObtained',
  issuanceId: 'issuance01',
  certificateId: 'certificate1',
  reason: 'new',
  names: subject.names,
  leaf: 'bGVhZg==',
  issuers: [],
  sealedKey: 'c2VhbGVk',
  serialNumber: '0A',
  notBefore: NOW.toISOString(),
  notAfter: later(90 * 86_400_000).toISOString(),
  challengeType: 'dns-01',
  directory,
};
const order: WrittenEvent = {
  type: 'OrderCreated',
  issuanceId: 'issuance01',
  certificateId: 'certificate1',
  holder: 'alice',
  orderUrl: 'https://ca.test/order/1',
};

const oneCa = { authorities: {}, unavailable: new Set<string>() };

describe('given nothing', () => {
  test('when asked without a CSR, then a CSR is asked for and nothing said', () => {
    const claim = claimNew(given(), NOW, subject, { ...terms('alice'), ...ids, csr: undefined });
    expect(claim).toEqual({
      events: [],
      result: { kind: 'csr-needed', names: subject.names, directory: subject.directory },
    });
  });

  test('when asked with a CSR to recipients that changed since, then another is asked for', () => {
    const stale = { ...csr, recipientsPosition: 9 };
    expect(claimNew(given(), NOW, subject, { ...terms('alice'), ...ids, csr: stale }).result.kind).toBe('csr-needed');
  });

  test('when asked with a CSR, then a claim carries the CSR and the sealed key', () => {
    const { events, result } = claimNew(given(), NOW, subject, { ...terms('alice'), ...ids, csr });
    expect(events).toMatchObject([
      { type: 'IssuanceStarted', holder: 'alice', until: later(CLAIM_MS).toISOString(), ...csr },
    ]);
    expect(result).toMatchObject({ kind: 'claimed', certificateId: 'newcertificate', resumed: false });
  });

  test('when a renewal is asked for, then the certificate is not found', () => {
    const options = {
      ...terms('alice'),
      issuanceId: 'i',
      csr,
      replaces: undefined,
      otherwise: { challengeType: 'dns-01', directory },
      ...oneCa,
    } as const;
    expect(() => claimRenewal(given(), NOW, 'nosuchcertificate', options)).toThrow(/cert ls/);
  });
});

describe('given a claim of another', () => {
  const claimed = () => given([started, NOW], [order, NOW]);

  test('when asked for the same names in force, then it says who holds it and until when', () => {
    const { events, result } = claimNew(claimed(), later(1_000), subject, { ...terms('bob'), ...ids, csr });
    expect(events).toEqual([]);
    const times = { until: later(CLAIM_MS), takeOverAt: later(CLAIM_MS + GRACE_MS) };
    expect(result).toEqual({ kind: 'held', certificateId: 'certificate1', holder: 'alice', ...times });
  });

  test('when it lapsed less than the grace ago, then it counts still, for clocks that differ', () => {
    const { result } = claimNew(claimed(), later(CLAIM_MS + GRACE_MS - 1), subject, { ...terms('bob'), ...ids, csr });
    expect(result.kind).toBe('held');
  });

  test('when it would last for years, since the clock of its holder was wrong, then it is taken over', () => {
    const { result } = claimNew(claimed(), later(-365 * 86_400_000), subject, { ...terms('bob'), ...ids, csr });
    expect(result).toMatchObject({ kind: 'claimed', resumed: true });
  });

  test('when it lapsed, then it is taken over with its order and its key', () => {
    const now = later(CLAIM_MS + GRACE_MS);
    const { events, result } = claimNew(claimed(), now, subject, { ...terms('bob'), ...ids, csr: undefined });
    expect(events).toMatchObject([{ type: 'IssuanceTakenOver', issuanceId: 'issuance01', holder: 'bob' }]);
    expect(result).toMatchObject({
      kind: 'claimed',
      resumed: true,
      issuance: { orderUrl: 'https://ca.test/order/1', csrs: [csr] },
    });
  });

  test('when told to take over, then it does not wait', () => {
    const { result } = claimNew(claimed(), later(1), subject, { ...terms('bob'), takeOver: true, ...ids, csr });
    expect(result).toMatchObject({ kind: 'claimed', resumed: true });
  });

  test('when its process is known to have ended, then it is taken over at once, and that of no other', () => {
    const ask = (ended: string) =>
      claimNew(claimed(), later(1), subject, { ...terms('bob'), ended: new Set([ended]), ...ids, csr }).result;
    expect(ask('alice')).toMatchObject({ kind: 'claimed', resumed: true });
    expect(ask('carol')).toMatchObject({ kind: 'held', holder: 'alice' });
  });

  test('when it was released, then it is taken over at once', () => {
    const released: WrittenEvent = {
      type: 'IssuanceReleased',
      issuanceId: 'issuance01',
      certificateId: 'certificate1',
      holder: 'alice',
    };
    const state = given([started, NOW], [order, NOW], [released, NOW]);
    expect(claimNew(state, later(1), subject, { ...terms('bob'), ...ids, csr }).result).toMatchObject({
      kind: 'claimed',
      resumed: true,
    });
  });

  test('when other names are asked for, then it is no hindrance', () => {
    const other = { ...subject, names: ['b.test'] };
    expect(claimNew(claimed(), later(1), other, { ...terms('bob'), ...ids, csr }).result).toMatchObject({
      kind: 'claimed',
      resumed: false,
    });
  });

  test('when a second certificate for the same names is asked for, then it is excluded too', () => {
    const { result } = claimNew(claimed(), later(1), subject, { ...terms('bob'), ...ids, another: true, csr });
    expect(result.kind).toBe('held');
  });
});

describe('given a certificate', () => {
  const served = () => given([started, NOW], [obtained, NOW]);

  test('when the same names are asked for in any order, then it is the answer', () => {
    const { events, result } = claimNew(served(), later(1), subject, { ...terms('bob'), ...ids, csr });
    expect(events).toEqual([]);
    expect(result).toMatchObject({ kind: 'managed', certificate: { certificateId: 'certificate1' } });
  });

  test('when a second one is asked for, then it gets an id of its own', () => {
    const { result } = claimNew(served(), later(1), subject, { ...terms('bob'), ...ids, another: true, csr });
    expect(result).toMatchObject({ kind: 'claimed', certificateId: 'newcertificate' });
  });

  test('when it is renewed, then the claim says what it replaces', () => {
    const options = {
      ...terms('bob'),
      issuanceId: 'issuance02',
      csr,
      replaces: 'aki.serial',
      otherwise: { challengeType: 'dns-01', directory },
      ...oneCa,
    } as const;
    const { events } = claimRenewal(served(), later(1), 'certificate1', options);
    expect(events).toMatchObject([
      { type: 'IssuanceStarted', reason: 'renewal', replaces: 'aki.serial', certificateId: 'certificate1' },
    ]);
  });

  test('when it is to be renewed only while it is due, then a manager that comes after another leaves it alone', () => {
    const options = {
      ...terms('bob'),
      issuanceId: 'issuance02',
      csr,
      replaces: undefined,
      otherwise: { challengeType: 'dns-01', directory },
      ...oneCa,
    } as const;
    const state = served();
    const leafHash = state.certificate('certificate1')?.current?.leafHash;
    const due = later(80 * 86_400_000);
    const ask = (only: { leafHash: string | undefined; dueBy: Date }, given = state) =>
      claimRenewal(given, due, 'certificate1', { ...options, only }).result.kind;
    expect(ask({ leafHash, dueBy: due })).toBe('claimed');
    expect(ask({ leafHash, dueBy: later(1) })).toBe('managed');
    expect(ask({ leafHash: 'another', dueBy: due })).toBe('managed');
    const again = { ...started, issuanceId: 'issuance03', reason: 'renewal' } as const;
    expect(ask({ leafHash, dueBy: due }, given([started, NOW], [obtained, NOW], [again, due]))).toBe('claimed');
    const held = { ...again, until: later(81 * 86_400_000).toISOString() };
    expect(ask({ leafHash, dueBy: due }, given([started, NOW], [obtained, NOW], [held, due]))).toBe('held');
  });

  test('when a campaign wants it replaced, then it is claimed for that while the campaign goes on, at its pace, and nothing puts it off', () => {
    const campaign = { type: 'CampaignStarted', campaignId: 'campaign1', certificates: 2, ordersPerHour: 4 } as const;
    const otherwise = { challengeType: 'dns-01', directory } as const;
    const asked = { ...terms('bob'), issuanceId: 'issuance02', csr, replaces: 'a.b', otherwise, ...oneCa };
    const before = [
      [started, NOW],
      [obtained, NOW],
      [campaign, later(1)],
    ] as const;
    const ask = (state: ReturnType<typeof given>, at: Date, leaf?: string) => {
      const leafHash = leaf ?? state.certificate('certificate1')?.current?.leafHash;
      const only = { leafHash, dueBy: at, campaignId: 'campaign1' };
      return claimRenewal(state, at, 'certificate1', { ...asked, only });
    };
    const soon = later(10);
    expect(ask(given(...before), soon).events).toMatchObject([{ type: 'IssuanceStarted', campaignId: 'campaign1' }]);
    expect(ask(given(...before), soon, 'another').result.kind).toBe('managed');
    const ended = { type: 'CampaignEnded', campaignId: 'campaign1', outcome: 'cancelled' } as const;
    expect(ask(given(...before, [ended, soon]), soon).result.kind).toBe('managed');
    const failed = {
      ...({ type: 'IssuanceFailed', issuanceId: 'issuance09', certificateId: 'certificate1', directory } as const),
      ...({
        problem: 'p',
        class: 'temporary',
        detail: '',
        attempt: 1,
        notBefore: later(60_000).toISOString(),
      } as const),
    };
    expect(ask(given(...before, [failed, soon]), soon).result.kind).toBe('managed');
    expect(ask(given(...before, [failed, soon]), later(60_000)).result.kind).toBe('claimed');
    // One of four an hour has gone, for another certificate.
    const other = { ...started, certificateId: 'certificate2', names: ['b.test'], campaignId: 'campaign1' };
    const paced = ask(given(...before, [other, soon]), later(20));
    expect(paced).toMatchObject({
      events: [],
      result: { kind: 'limited', binding: { limit: 'campaign', subject: 'campaign1' } },
    });
    expect(ask(given(...before, [other, soon]), later(15 * 60_000 + 10)).result.kind).toBe('claimed');
  });

  test('when it is renewed at a second CA, then the claim does not say there what it replaces, and its own CA stays', () => {
    const failed = [1, 2, 3].flatMap((attempt): [WrittenEvent, Date][] => [
      [{ ...started, issuanceId: `failing0${attempt}` } as WrittenEvent, NOW],
      [
        {
          type: 'IssuanceFailed',
          issuanceId: `failing0${attempt}`,
          certificateId: 'certificate1',
          problem: 'urn:ietf:params:acme:error:dns',
          class: 'temporary',
          detail: '',
          attempt,
          notBefore: NOW.toISOString(),
        },
        NOW,
      ],
    ]);
    const second = 'https://second.test/dir';
    const state = given([started, NOW], [obtained, NOW], ...failed);
    const { events } = claimRenewal(state, later(1), 'certificate1', {
      ...terms('bob'),
      issuanceId: 'issuance02',
      csr,
      replaces: 'aki.serial',
      otherwise: { challengeType: 'dns-01', directory },
      authorities: {
        own: { directory, termsOfServiceAgreed: true, fallback: 'second' },
        second: { directory: second, termsOfServiceAgreed: true },
      },
      unavailable: new Set(),
    });
    expect(events).toMatchObject([{ type: 'IssuanceStarted', directory: second, fallbackFor: directory }]);
    expect(events).not.toMatchObject([{ replaces: expect.anything() }]);
    state.apply([readEvent(events[0] as WrittenEvent)], { at: NOW, position: 99 });
    expect(state.certificate('certificate1')).toMatchObject({ directory, issuance: { directory: second } });
  });

  test('when another one for the same names has an order open at the same CA, then its renewal waits for that', () => {
    const twin = { certificateId: 'certificate2', issuanceId: 'issuance03' };
    const another: WrittenEvent = { ...obtained, ...twin, names: subject.names.toReversed() } as WrittenEvent;
    const renewal = (at: string): WrittenEvent =>
      ({ ...started, ...twin, reason: 'renewal', directory: at }) as WrittenEvent;
    const options = {
      ...terms('bob'),
      issuanceId: 'issuance04',
      csr,
      replaces: undefined,
      otherwise: { challengeType: 'dns-01', directory },
      ...oneCa,
    } as const;
    const both = [[started, NOW] as const, [obtained, NOW] as const, [another, NOW] as const];
    const ask = (...more: (readonly [WrittenEvent, Date])[]) =>
      claimRenewal(given(...both, ...more), later(1), 'certificate1', options);
    expect(ask().result).toMatchObject({ kind: 'claimed', certificateId: 'certificate1' });
    expect(ask([renewal(directory), NOW])).toEqual({
      events: [],
      result: expect.objectContaining({ kind: 'held', certificateId: 'certificate2', until: later(CLAIM_MS) }),
    });
    const released: WrittenEvent = { type: 'IssuanceReleased', ...twin, holder: 'alice' };
    expect(ask([renewal(directory), NOW], [released, NOW]).result.kind).toBe('claimed');
    // At another CA it cannot be one and the same order.
    expect(ask([renewal('https://second.test/dir'), NOW]).result.kind).toBe('claimed');
  });

  test('when it was removed, then its names are free for a new one', () => {
    const state = given(
      [started, NOW],
      [obtained, NOW],
      [{ type: 'CertificateRemoved', certificateId: 'certificate1' }, NOW],
    );
    expect(claimNew(state, later(1), subject, { ...terms('bob'), ...ids, csr }).result).toMatchObject({
      kind: 'claimed',
      certificateId: 'newcertificate',
    });
  });

  test('when its first issuance failed, then the next attempt keeps its id', () => {
    const failed: WrittenEvent = {
      type: 'IssuanceFailed',
      issuanceId: 'issuance01',
      certificateId: 'certificate1',
      problem: 'urn:ietf:params:acme:error:dns',
      class: 'temporary',
      detail: '',
      attempt: 1,
      notBefore: later(60_000).toISOString(),
    };
    const { result } = claimNew(given([started, NOW], [failed, NOW]), later(1), subject, {
      ...terms('bob'),
      ...ids,
      csr,
    });
    expect(result).toMatchObject({ kind: 'claimed', certificateId: 'certificate1', resumed: false });
  });
});

describe('given a certificate that lives for minutes', () => {
  const lasting = (minutes: number): WrittenEvent => ({
    ...obtained,
    notAfter: later(minutes * 60_000).toISOString(),
  });
  const renewal = {
    issuanceId: 'i',
    csr,
    replaces: undefined,
    otherwise: { challengeType: 'dns-01', directory },
  } as const;

  test.each([
    [90 * 24 * 60, CLAIM_MS],
    [100, CLAIM_MS],
    [10, 30_000],
    [5, 15_000],
    [1, 10_000],
  ])('when it lives for %d minutes, then a claim on it lasts %d ms', (minutes, expectedMs) => {
    const state = given([started, NOW], [lasting(minutes), NOW]);
    const { events } = claimRenewal(state, NOW, 'certificate1', { ...terms('bob'), ...renewal, ...oneCa });
    expect(events).toMatchObject([{ type: 'IssuanceStarted', until: later(expectedMs).toISOString() }]);
    const second = claimNew(state, NOW, subject, { ...terms('bob'), ...ids, csr, another: true });
    expect(second.events).toMatchObject([{ until: later(expectedMs).toISOString() }]);
  });

  test('when its manager was killed, then another takes over after the claim and as much again, not after minutes', () => {
    const again = {
      ...started,
      issuanceId: 'issuance02',
      reason: 'renewal',
      until: later(30_000).toISOString(),
    } as const;
    const state = given([started, NOW], [lasting(10), NOW], [again, NOW]);
    const ask = (at: Date) => claimRenewal(state, at, 'certificate1', { ...terms('bob'), ...renewal, ...oneCa }).result;
    expect(ask(later(59_999))).toMatchObject({ kind: 'held', holder: 'alice', until: later(30_000) });
    expect(ask(later(60_000))).toMatchObject({ kind: 'claimed', resumed: true });
  });
});

describe('given a certificate with an ECDSA key', () => {
  const rsa: IssuanceSubject = { ...subject, keyType: 'RSA-2048' };
  const claimRsa = (state: ReturnType<typeof given>, at: Date, options: Partial<ClaimTerms> = {}) =>
    claimNew(state, at, rsa, { ...terms('bob'), ...ids, csr, ...options }).result;

  test('when one with an RSA key is asked for, then it gets an id of its own, and is managed from then on', () => {
    const state = given([started, NOW], [obtained, NOW]);
    expect(claimRsa(state, NOW)).toMatchObject({ kind: 'claimed', certificateId: 'newcertificate', resumed: false });
    const second = {
      ...obtained,
      certificateId: 'certificate2',
      issuanceId: 'issuance02',
      keyType: 'RSA-2048',
    } as const;
    const both = given([started, NOW], [obtained, NOW], [second, NOW]);
    expect(claimRsa(both, NOW)).toMatchObject({ kind: 'managed', certificate: { certificateId: 'certificate2' } });
    const ecdsa = { ...subject, keyType: 'P-256' } as const;
    expect(claimNew(both, NOW, ecdsa, { ...terms('bob'), ...ids, csr }).result).toMatchObject({
      kind: 'managed',
      certificate: { certificateId: 'certificate1' },
    });
  });

  test('when its order is under way, then the other key type waits, at any process', () => {
    const state = given([started, NOW], [order, NOW]);
    for (const holder of ['bob', 'alice'])
      expect(claimRsa(state, NOW, { holder })).toMatchObject({ kind: 'held', certificateId: 'certificate1' });
  });

  test('when its claim has lapsed or was released, then its order is completed first', () => {
    const released = {
      type: 'IssuanceReleased',
      issuanceId: 'issuance01',
      certificateId: 'certificate1',
      holder: 'alice',
    };
    const first = { kind: 'claimed', certificateId: 'certificate1', resumed: true, isSibling: true };
    const open = given([started, NOW], [order, NOW]);
    expect(claimRsa(open, later(CLAIM_MS + GRACE_MS))).toMatchObject(first);
    expect(claimRsa(open, NOW, { takeOver: true })).toMatchObject(first);
    expect(claimRsa(given([started, NOW], [order, NOW], [released as WrittenEvent, NOW]), NOW)).toMatchObject(first);
  });

  test('when its renewal waits at another CA, then it is no hindrance', () => {
    const elsewhere = { ...started, directory: 'https://second.test/dir' };
    expect(claimRsa(given([elsewhere, NOW], [order, NOW]), NOW)).toMatchObject({ certificateId: 'newcertificate' });
  });
});
