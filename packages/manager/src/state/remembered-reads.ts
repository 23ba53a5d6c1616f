/** Remembers what was read of a replica, for a view that has all later commits in memory. */
import type { ManagedCertificate } from '@certbus/events';
import type { SpendingStretch } from '@certbus/replica';
import type { Spending } from './spending.ts';
import type { ManagerState } from './state.ts';

/** What decisions read again and again. */
export type Reads = Pick<ManagerState, 'certificate' | 'spending'>;

/** How much of each kind is remembered at most; then all of it is forgotten. */
const MOST = 256;
/** So much more than was asked for is read, milliseconds: time goes on. */
const AHEAD_MS = 3_600_000;

interface RememberedSpending {
  readonly stretch: SpendingStretch;
  readonly spending: Spending;
}

function remember<T>(all: Map<string, T>, key: string, value: T): T {
  if (all.size >= MOST) all.clear();
  all.set(key, value);
  return value;
}

/** Reads each certificate, and what was spent of each limit, once. What is asked MUST NOT have commits that are not held above it, nor get them unseen. */
export function rememberReads(reads: Reads): Reads {
  const certificates = new Map<string, ManagedCertificate | undefined>();
  const spendings = new Map<string, RememberedSpending>();

  function readSpending(key: string, { since, until }: SpendingStretch): RememberedSpending {
    const stretch = { since, until: new Date(until.getTime() + AHEAD_MS) };
    return remember(spendings, key, { stretch, spending: reads.spending(key, stretch) });
  }

  return {
    certificate(certificateId) {
      if (certificates.has(certificateId)) return certificates.get(certificateId);
      return remember(certificates, certificateId, reads.certificate(certificateId));
    },
    spending(key, stretch) {
      const { since, until } = stretch;
      const known = spendings.get(key);
      const isInside = known && known.stretch.since <= since && known.stretch.until >= until;
      const { spending } = isInside ? known : readSpending(key, stretch);
      const spent = spending.spent.filter(({ at }) => at >= since.getTime() && at <= until.getTime());
      return { ...spending, spent };
    },
  };
}
