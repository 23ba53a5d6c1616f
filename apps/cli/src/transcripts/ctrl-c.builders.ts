/** Where an issuance stands still until Ctrl-C: at each step that a terminal shows, and between two of them. */
import type { ResourceKind } from '@certbus/acme-server';
import type { StartedSite } from './site.builders.ts';

/** A place at which an issuance waits. */
export interface Stop {
  /** What the terminal shows of it. */
  readonly shows: string;
  /** Whether this machine knows the CA's order by then: the next run goes on with it, and makes no other. */
  readonly isOrdered: boolean;
  /** Whether its record is in DNS by then. */
  readonly isPresented: boolean;
  /** Whether the screen is in the transcript. Default false. */
  readonly isKept?: boolean;
  /** Makes an issuance wait there. Returns whether it has come there. */
  arrange(site: StartedSite): () => boolean;
}

/** The CA does not answer a kind of request: before it did anything, or when all was done. */
const unanswered =
  (
    resource: ResourceKind,
    { when = 'before', from = 1 }: { readonly when?: 'before' | 'after'; readonly from?: number } = {},
  ): Stop['arrange'] =>
  ({ ca }) => {
    const fault = ca.faults.inject({ kind: 'stall', when }, { resource, from, times: Number.POSITIVE_INFINITY });
    return () => fault.hits > 0;
  };

/** All stops, in the order in which an issuance comes to them, by a word for a name. */
export const STOPS: Readonly<Record<string, Stop>> = {
  claimed: { shows: 'claimed', isOrdered: false, isPresented: false, isKept: true, arrange: unanswered('newOrder') },
  asked: { shows: 'claimed', isOrdered: false, isPresented: false, arrange: unanswered('newOrder', { when: 'after' }) },
  ordered: { shows: 'the CA has the order', isOrdered: true, isPresented: false, arrange: unanswered('authorization') },
  answered: { shows: 'waits until', isOrdered: true, isPresented: true, arrange: unanswered('challenge') },
  proved: {
    shows: 'waits until',
    isOrdered: true,
    isPresented: true,
    arrange: unanswered('authorization', { from: 2 }),
  },
  finalized: {
    shows: 'waits until',
    isOrdered: true,
    isPresented: false,
    arrange: unanswered('finalize', { when: 'after' }),
  },
  issued: { shows: 'waits until', isOrdered: true, isPresented: false, arrange: unanswered('certificate') },
};
