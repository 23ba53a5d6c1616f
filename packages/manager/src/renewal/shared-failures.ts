/** Keeps the failures of a run that other certificates of the same CA would meet as well. */
import { AcmeProblemError, isOutage } from '@certbus/acme';
import { reasonOf } from '../issuance/failure.ts';
import type { WorkKind } from './work-queue.ts';

/** The failures of a run that concern more than one certificate. */
export interface SharedFailures {
  /** Adds a certificate's failure; returns whether others will fail in the same way. */
  add(directory: string, failure: { readonly kind: WorkKind; readonly error: unknown }): boolean;
  /** Directories at which orders of this kind need not be tried. */
  directories(kind: WorkKind): ReadonlySet<string>;
  /** The failure because of which they need not be tried. */
  at(directory: string, kind: WorkKind): unknown;
  /** Takes a success, which shows that the failures before it were not those of the CA as a whole. */
  passed(directory: string): void;
}

/** So many failures in a row that may each be one certificate's own are the CA's. */
const IN_A_ROW = 3;

/** A CA stumbles over single orders, too, and some call a name that an account may not have unauthorized. */
function isAmbiguous(error: unknown): boolean {
  if (!(error instanceof AcmeProblemError)) return false;
  return error.problem.status === 500 || error.problem.type.endsWith(':unauthorized');
}

/** Whose orders fail in the same way: `all`, those for names that the CA has not issued before (`new`), or no others. */
function scopeOf(error: unknown, kind: WorkKind): 'all' | 'new' | 'none' {
  if (isOutage(error)) return 'all';
  const { class: failureClass } = reasonOf(error);
  if (failureClass === 'authority' || failureClass === 'account') return 'all';
  // What the CA itself refuses for a limit is kept beyond this run; here it is our own count of new orders, which spares renewals.
  return failureClass === 'rate-limited' && !(error instanceof AcmeProblemError) && kind === 'new' ? 'new' : 'none';
}

/** Starts without any failure. */
export function createSharedFailures(): SharedFailures {
  const everywhere = new Map<string, unknown>();
  const forNew = new Map<string, unknown>();
  const inARow = new Map<string, number>();
  return {
    add(directory, { kind, error }) {
      const scope = scopeOf(error, kind);
      if (scope === 'all' && isAmbiguous(error)) {
        const count = (inARow.get(directory) ?? 0) + 1;
        inARow.set(directory, count);
        if (count < IN_A_ROW) return false;
      }
      if (scope !== 'none') (scope === 'all' ? everywhere : forNew).set(directory, error);
      return scope !== 'none';
    },
    directories: (kind) => new Set([...everywhere.keys(), ...(kind === 'new' ? forNew.keys() : [])]),
    passed: (directory) => void inARow.delete(directory),
    at: (directory, kind) => everywhere.get(directory) ?? (kind === 'new' ? forNew.get(directory) : undefined),
  };
}
