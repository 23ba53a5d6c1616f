/** Decides how long a claim lasts, and how long after its end it still counts. */
import { type ManagedCertificate, nameSetKey } from '@certbus/events';
import type { ManagerState } from '../state/state.ts';
import { lifetimeMs } from './lifetime.ts';

/** A claim is renewed at half its length: a shorter one would be lost to a bus that is slow for a moment. */
const SHORTEST_MS = 10_000;

/** The lifetime that a certificate will have, milliseconds, by what was issued for its names; without end where nothing was. */
function expectedLifetimeMs(
  state: ManagerState,
  { certificateId, names }: Pick<ManagedCertificate, 'certificateId' | 'names'>,
): number {
  const own = state.certificate(certificateId)?.current;
  const issued = own ? [own] : state.withNames(nameSetKey(names)).map(({ current }) => current);
  return Math.min(...issued.map(lifetimeMs));
}

/**
 * How long a claim on a certificate lasts, or counts after its end: a twentieth of the certificate's lifetime where that is shorter than
 * `longestMs`, but not less than 10 seconds. Of names that were never issued no lifetime is known.
 */
export function claimLengthMs(
  state: ManagerState,
  certificate: Pick<ManagedCertificate, 'certificateId' | 'names'>,
  longestMs: number,
): number {
  return Math.min(longestMs, Math.max(expectedLifetimeMs(state, certificate) / 20, SHORTEST_MS));
}
