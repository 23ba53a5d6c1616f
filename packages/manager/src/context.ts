/** What every operation of a manager works with, and how it reads the bus and writes to it. */
import type { CaLimits, Logger } from '@certbus/acme';
import type { ManagerKey } from '@certbus/events';
import type { DnsView } from '@certbus/solvers/dns-view';
import { type ArchivePlace, type Bus, catchUp, type Decide, type TransactOptions, transact } from '@certbus/store';
import type { Connections } from './accounts/connections.ts';
import type { SecretSource } from './configuration/secrets.ts';
import type { LossGuard } from './decide/loss-guard.ts';
import { ManagerError } from './errors.ts';
import type { SolverFactory } from './issuance/solvers.ts';
import type { RefusedOrders } from './renewal/refused-orders.ts';
import type { Freshness } from './state/freshness.ts';
import type { ManagerState } from './state/state.ts';
import type { ManagerView } from './state/view.ts';

/** What every operation of a manager works with. */
export interface Context {
  readonly bus: Bus;
  readonly view: ManagerView;
  readonly freshness: Freshness;
  /** Where archives and snapshots are; `undefined` for nowhere. */
  readonly archive: ArchivePlace | undefined;
  readonly key: ManagerKey;
  readonly connections: Connections;
  /** The limits of a CA by its directory, where the configuration has none. */
  readonly publishedLimits: (directory: string) => CaLimits;
  readonly solvers: SolverFactory;
  readonly secrets: SecretSource;
  /** What DNS shows, asked through these resolvers. */
  readonly openDnsView: (resolvers: readonly string[]) => DnsView;
  /** What looks at DNS of this process have found. */
  readonly lossGuard: LossGuard;
  /** What CAs have refused this process for limits that the configuration does not have. */
  readonly refusedOrders: RefusedOrders;
  readonly logger: Logger;
  readonly now: () => Date;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Name of this process in claims, unlike any other's. */
  readonly holder: string;
  /** Whether the process of a claim's holder is known to have ended. */
  readonly hasEnded: (holder: string) => boolean;
  readonly claimMs: number;
  readonly graceMs: number;
}

/** Catches up with the head of the bus, and has a replica that could not take a commit read it again. */
export async function refresh(
  { bus, view }: Context,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  await catchUp(bus, view, signal);
  view.mend();
}

/** Throws `CERTBUS_MANAGER_UPGRADE_NEEDED` where the bus has events that this release does not know. */
export function checkKnown({ bus }: Pick<ManagerState, 'bus'>): void {
  // Unknown fields are harmless by design; unknown events may change what the right decision is.
  const types = bus.unknown.filter((what) => !what.includes('.'));
  if (types.length === 0) return;
  const what = `The bus has events that this release does not know (${types.join(', ')}). A later release wrote them: upgrade this program before it decides anything.`;
  throw new ManagerError('CERTBUS_MANAGER_UPGRADE_NEEDED', what);
}

/**
 * Decides on the newest state and records the decision on the bus, exactly once. Rejects as `transact` does,
 * `CERTBUS_MANAGER_UPGRADE_NEEDED` and `CERTBUS_MANAGER_BUS_STALE`.
 */
export async function decide<Result>(
  { bus, view, freshness, now }: Pick<Context, 'bus' | 'view' | 'freshness' | 'now'>,
  decision: Decide<ManagerState, Result>,
  { signal, caughtUp = false }: Pick<TransactOptions, 'signal' | 'caughtUp'> = {},
): Promise<Result> {
  // What was made of a damaged file lacks certificates, and what was spent: the bus is read again before anything is decided.
  if (view.replica.countLost() !== undefined) await view.rebuild({ signal });
  const careful: Decide<ManagerState, Result> = (state, at) => {
    checkKnown(state);
    freshness.check();
    return decision(state, at);
  };
  return transact(bus, view, careful, { signal, caughtUp, now });
}
