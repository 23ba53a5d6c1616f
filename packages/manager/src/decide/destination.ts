/** Decides which CA the next order of a certificate goes to. */
import { isUrgent, type ManagedCertificate } from '@certbus/events';
import type { CertificateAuthority } from '../configuration/configuration.ts';
import { isShared } from './back-off.ts';

/** Failures in a row after which a second CA is asked in turn with the certificate's own. */
const FAILURES_BEFORE_FALLBACK = 3;
/** Failures in a row after which an order is tried at the staging CA first. */
const FAILURES_BEFORE_STAGING = 2;

/** Where an order goes. */
export interface Destination {
  readonly directory: string;
  /** The certificate's own CA, where `directory` is a second one's. */
  readonly fallbackFor: string | undefined;
}

/** What a destination is chosen from. */
export interface Choice {
  /** The certificate's own CA. */
  readonly ownDirectory: string;
  readonly authorities: Readonly<Record<string, CertificateAuthority>>;
  /** Directories that failed as a whole in this run. */
  readonly unavailable: ReadonlySet<string>;
  readonly now: Date;
}

/**
 * The CA for the next order: the certificate's own; a second one, where there is one that did not just fail as a whole, every other
 * time after three failures in a row, and while the first fails as a whole and the certificate cannot wait.
 */
export function destinationOf(
  certificate: ManagedCertificate,
  { ownDirectory, authorities, unavailable, now }: Choice,
): Destination {
  const { failure } = certificate;
  const own = Object.values(authorities).find(({ directory }) => directory === ownDirectory);
  const second = own?.fallback === undefined ? undefined : authorities[own.fallback];
  const failedAsAWhole = failure && isShared(failure.class) ? failure.directory : undefined;
  const isAway = (directory: string) => unavailable.has(directory) || failedAsAWhole === directory;
  const isTurn = failure && failure.attempt >= FAILURES_BEFORE_FALLBACK && failure.attempt % 2 === 1;
  const isSecond = isAway(ownDirectory) ? isUrgent(certificate, now) : isTurn;
  return second && isSecond && !isAway(second.directory)
    ? { directory: second.directory, fallbackFor: ownDirectory }
    : { directory: ownDirectory, fallbackFor: undefined };
}

/** Whether the next order should pass at the staging CA first, so that the CA proper does not count another failure. */
export function needsRehearsal({ failure }: ManagedCertificate): boolean {
  return failure !== undefined && !isShared(failure.class) && failure.attempt >= FAILURES_BEFORE_STAGING;
}
