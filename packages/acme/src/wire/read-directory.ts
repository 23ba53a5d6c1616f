/** What a CA offers and what time it has there, by its directory. */
import type { Acme } from '../acme.ts';
import { engineOf } from './handles.ts';

/** What {@link readDirectory} gives. */
export interface DirectorySummary {
  readonly termsOfService?: string;
  /** Profile name to description; empty where the CA has none. */
  readonly profiles: Record<string, string>;
  readonly externalAccountRequired: boolean;
  /** Names that stand for this CA in CAA records; empty where the CA does not say. */
  readonly caaIdentities: string[];
  /** Set where the directory names a resource that changes account keys (RFC 8555 §7.3.5); some CAs name one and answer 501. */
  readonly keyChange?: string;
  /** Set where the CA offers renewal information (RFC 9773). */
  readonly renewalInfo?: string;
}

/**
 * What time it is at the CA, by the answer to a request made now; `undefined` where it does not say. A second's resolution. Rejects as
 * {@link readDirectory} does.
 */
export async function readClock(ca: Acme, { signal }: { readonly signal: AbortSignal }): Promise<Date | undefined> {
  using session = await engineOf(ca).open({ signal });
  return (await session.get(ca.directory)).answeredAt;
}

/**
 * What a CA offers, from its directory (kept for a day). Rejects with `CERTBUS_ACME_UNREACHABLE`, `CERTBUS_ACME_NOT_ACME`,
 * `CERTBUS_ACME_PROBLEM`, `CERTBUS_ACME_DEADLINE` or the signal's reason.
 */
export async function readDirectory(ca: Acme, { signal }: { readonly signal: AbortSignal }): Promise<DirectorySummary> {
  using session = await engineOf(ca).open({ signal });
  const { meta, keyChange, renewalInfo } = await session.readDirectory();
  const { profiles, caaIdentities, ...rest } = meta;
  return {
    ...rest,
    profiles: { ...profiles },
    caaIdentities: [...caaIdentities],
    ...(keyChange ? { keyChange } : {}),
    ...(renewalInfo ? { renewalInfo } : {}),
  };
}
