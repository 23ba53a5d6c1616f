/** Says how much is left of the limits of a CA. */
import type { CaLimits } from '@certbus/acme';
import type { LedgerLimit } from '@certbus/events/history';
import type { ManagerState } from '../state/state.ts';
import { countOf, spendingOf } from './limits.ts';
import { fullAt, leftAt, stretchOf } from './room.ts';

/** A limit of a CA, and whom it is about. */
export interface QuotaSubject {
  readonly limit: LedgerLimit;
  readonly directory: string;
  /** The domain, name or names; the directory for `orders`. */
  readonly subject: string;
}

/** What is left of a limit. */
export interface Quota extends QuotaSubject {
  /** What the CA takes, at most, a little less than it publishes. */
  readonly capacity: number;
  readonly left: number;
}

/** Little is left below the first part; the alert is over above the second. */
const [LITTLE, ENOUGH] = [0.1, 0.2];

/** What is left of a limit now; `undefined` where the CA has none of the kind. */
export function quotaOf(
  state: Pick<ManagerState, 'spending'>,
  now: Date,
  about: QuotaSubject,
  limits: CaLimits,
): Quota | undefined {
  const count = countOf(about, limits);
  if (!count) return undefined;
  const { rate, keys } = count;
  const { held, spent } = spendingOf(state, keys, stretchOf(rate, now));
  return { ...about, capacity: rate.capacity, left: leftAt(rate, fullAt(rate, { spent }, now), { now, held }) };
}

/** Whether so little is left that people should know. A part of a certificate is of no use: a limit of one has none left. */
export const isNearlyUsedUp = ({ left, capacity }: Quota, { isRaised }: { readonly isRaised: boolean }): boolean =>
  Math.floor(left) <= capacity * (isRaised ? ENOUGH : LITTLE);

/** A limit as the subject of an alert. */
export const quotaSubject = ({ limit, directory, subject }: QuotaSubject): string => `${limit} ${directory} ${subject}`;

const LIMITS: readonly LedgerLimit[] = ['orders', 'domains', 'name-sets', 'failures'];

/** The limit of a {@link quotaSubject}; `undefined` for any other subject. */
export function parseQuotaSubject(text: string): QuotaSubject | undefined {
  const [first, directory, ...rest] = text.split(' ');
  const limit = LIMITS.find((known) => known === first);
  return limit && directory && rest.length > 0 ? { limit, directory, subject: rest.join(' ') } : undefined;
}

const WORDS: Readonly<Record<LedgerLimit, string>> = {
  orders: 'new orders of the account',
  domains: 'certificates of the domain',
  'name-sets': 'certificates of exactly these names',
  failures: 'failed validations of the name',
};

/** What is left, in words. */
export const describeQuota = ({ limit, directory, subject, left, capacity }: Quota): string =>
  `${Math.floor(left)} of ${capacity} ${WORDS[limit]} are left at ${directory}${limit === 'orders' ? '' : ` (${subject})`}; what has no room waits`;
