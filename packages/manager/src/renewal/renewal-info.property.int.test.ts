/** Properties of asking a CA when to renew (RFC 9773), on a clock that only the test moves. */
import { type AcmeServer, startAcmeServer } from '@certbus/acme-server';
import type { ManagedCertificate } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import type { Manager } from '../index.ts';
import { replacedBy } from '../issuance/leaf.ts';
import { createSite, withManager } from '../issuance/manager.builders.ts';
import { idle } from './mass-renewal.builders.ts';
import { openRenewalInfoNotes } from './renewal-info-notes.ts';

const { signal } = new AbortController();
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** What our CA says with each of its answers. */
const RETRY_AFTER_MS = 6 * HOUR_MS;
const folder = temporaryFolder();
let sites = 0;
afterAll(() => folder.remove());

/** What the CA does with the next questions, until the step after. */
type Answer =
  /** The window that it named last, again; the first time any. */
  | { readonly kind: 'same' }
  | { readonly kind: 'window'; readonly fromDays: number; readonly hours: number }
  | { readonly kind: 'nonsense'; readonly body: unknown }
  | { readonly kind: 'refused'; readonly status: 404 | 429; readonly retryAfterS: number };

interface Step {
  readonly hours: number;
  readonly answer: Answer;
}

const answer: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Answer>({ kind: 'same' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('window' as const),
      // Days from when the certificate was issued: long past, in its lifetime, and long after.
      fromDays: fc.double({ min: -30, max: 130, noNaN: true }),
      hours: fc.double({ min: 0.1, max: 96, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('nonsense' as const),
      body: fc.constantFrom<unknown>(
        '{',
        '<html>',
        [],
        {},
        { suggestedWindow: {} },
        { suggestedWindow: { start: 'soon', end: 'later' } },
        { suggestedWindow: { start: '2027-01-02T00:00:00Z', end: '2027-01-01T00:00:00Z' } },
        { suggestedWindow: { start: '2027-01-02T00:00:00Z' } },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('refused' as const),
      status: fc.constantFrom(404 as const, 429 as const),
      retryAfterS: fc.integer({ min: 1, max: 20 * 3600 }),
    }),
  },
);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    hours: fc.oneof(fc.double({ min: 0.02, max: 14, noNaN: true }), fc.double({ min: 14, max: 600, noNaN: true })),
    answer,
  }),
  { minLength: 4, maxLength: 14 },
);

/** The window that a CA named for a leaf, in the whole seconds that it writes. */
interface Named {
  readonly start: number;
  readonly end: number;
}

function windowFrom({ fromDays, hours }: Extract<Answer, { kind: 'window' }>, { current }: ManagedCertificate): Named {
  const second = (ms: number) => Math.floor(ms / 1_000) * 1_000;
  const start = second(Date.parse(current?.notBefore ?? '') + fromDays * DAY_MS);
  return { start, end: Math.max(second(start + hours * HOUR_MS), start + 1_000) };
}

const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z');

/** A certificate of 90 days at a CA of one's own, and what was asked and answered about each of its leaves. */
interface World {
  readonly server: AcmeServer;
  readonly manager: Manager;
  readonly certificateId: string;
}

const USUAL = { kind: 'window', fromDays: 60, hours: 40 } as const;

/** Has the CA answer so about the present leaf; returns the window, where it names one. `known` is the one that it named last. */
function prepare(
  { server, manager, certificateId }: World,
  given: Answer,
  known: Named | undefined,
): Named | undefined {
  const certificate = manager.certificate(certificateId);
  const id = replacedBy(certificate) ?? '';
  server.faults.clear();
  if (given.kind === 'refused')
    server.faults.inject(
      { kind: 'status', status: given.status, retryAfter: given.retryAfterS },
      { resource: 'renewalInfo', times: Number.POSITIVE_INFINITY },
    );
  if (given.kind === 'nonsense') server.overrideRenewalInfo(id, given.body);
  if (given.kind === 'refused' || given.kind === 'nonsense') return undefined;
  const named = given.kind === 'same' ? (known ?? windowFrom(USUAL, certificate)) : windowFrom(given, certificate);
  server.overrideRenewalInfo(id, { suggestedWindow: { start: iso(named.start), end: iso(named.end) } });
  return named;
}

/** When the leaf would be renewed by its lifetime alone, at the earliest at all, and in any case. */
function instantsOf({ current }: ManagedCertificate) {
  const [from, to] = [Date.parse(current?.notBefore ?? ''), Date.parse(current?.notAfter ?? '')];
  return { earliest: from + 6 * HOUR_MS, ratio: from + ((to - from) * 2) / 3, floor: to - DAY_MS, end: to };
}

async function live(world: World, all: readonly Step[]): Promise<void> {
  const { server, manager, certificateId } = world;
  let known: Named | undefined;
  let askedAt: number | undefined;
  let waitMs = 0;
  let renewAt: string | undefined;
  for (const { hours, answer: given } of all) {
    server.clock.advance(Math.round(hours * HOUR_MS));
    const before = manager.certificate(certificateId);
    const named = prepare(world, given, known);
    const since = server.requests.length;
    await manager.runOnce({ signal });
    const now = server.clock.now().getTime();
    const after = manager.certificate(certificateId);
    const isRenewed = after.current?.leafHash !== before.current?.leafHash;
    const { earliest, ratio, floor, end } = instantsOf(before);
    const questions = server.requests.slice(since).filter(({ resource }) => resource === 'renewalInfo');

    // One question a run and leaf at most, about what is served, and never about what has ended.
    expect(questions.length).toBeLessThanOrEqual(1);
    for (const { at, path } of questions) {
      expect(path.split('/').at(-1)).toBe(replacedBy(before));
      expect(at.getTime()).toBeLessThan(end);
      // Not before the last answer, or the last error, said so.
      if (askedAt !== undefined) expect(at.getTime() - askedAt).toBeGreaterThanOrEqual(waitMs);
      askedAt = at.getTime();
      waitMs = named ? RETRY_AFTER_MS : MINUTE_MS;
      if (given.kind === 'refused') waitMs = Math.max(waitMs, given.retryAfterS * 1_000);
    }
    // Nothing that was said keeps a CA from being asked for longer than a day.
    if (questions.length === 0 && now < end) expect(now - (askedAt ?? 0)).toBeLessThanOrEqual(DAY_MS);
    if (questions.length > 0 && named) known = named;

    // The CA's last window counts, the lifetime where it never named one; the floor in any case.
    const last = known ? Math.max(known.start + (known.end - known.start) * 0.95, earliest) : ratio;
    const first = known ? Math.max(known.start, earliest) : ratio;
    if (isRenewed) expect(now).toBeGreaterThanOrEqual(Math.min(first, floor));
    else expect(now).toBeLessThan(Math.min(last, floor) + 1);

    if (isRenewed) {
      [known, askedAt, waitMs, renewAt] = [undefined, undefined, 0, undefined];
      expect(after.renewalInfo).toBeUndefined();
    } else if (known) {
      // The instant lies in the window, and stays while the window does.
      const chosen = Date.parse(after.renewalInfo?.renewAt ?? '');
      expect(chosen).toBeGreaterThanOrEqual(known.start);
      expect(chosen).toBeLessThanOrEqual(known.start + (known.end - known.start) * 0.95);
      const isSame = Date.parse(before.renewalInfo?.windowStart ?? '') === known.start;
      if (isSame && Date.parse(before.renewalInfo?.windowEnd ?? '') === known.end)
        expect(after.renewalInfo?.renewAt).toBe(renewAt);
      renewAt = after.renewalInfo?.renewAt;
    } else expect(after.renewalInfo).toBeUndefined();
  }
}

test('whatever a CA answers, it is asked no sooner than it says, its last window counts, and the floor is kept', {
  tags: 'full',
}, async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      await using server = await startAcmeServer({ validation: { alwaysValid: true } });
      const { directory, roots, clock } = server;
      sites += 1;
      const site = await createSite(`${folder.path}/bus${sites}.db`, {
        version: 1,
        authorities: { ca: { directory, roots, termsOfServiceAgreed: true } },
        defaultAuthority: 'ca',
        dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
      });
      using notes = openRenewalInfoNotes(':memory:');
      const process = { holder: 'one', notes, now: () => clock.now(), solvers: async () => idle };
      await withManager(site, process, async (manager) => {
        const { certificateId } = await manager.issue({ names: ['a.test'], profile: 'classic' }, { signal });
        await live({ server, manager, certificateId }, all);
      });
    }),
    { numRuns: sized({ small: 8, full: 60 }) },
  );
});
