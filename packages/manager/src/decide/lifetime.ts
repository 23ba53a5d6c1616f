/** Decides by how long a certificate lives: what is done for it waits for no more than a part of that. */
import type { IssuedCertificate } from '@certbus/events';

/** How long a certificate lives, milliseconds; without end where there is none, so that it shortens no wait. */
export function lifetimeMs(current: Pick<IssuedCertificate, 'notBefore' | 'notAfter'> | undefined): number {
  return current ? Date.parse(current.notAfter) - Date.parse(current.notBefore) : Number.POSITIVE_INFINITY;
}
