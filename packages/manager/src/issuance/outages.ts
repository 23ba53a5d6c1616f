/** Keeps what would be claimed from a CA that is down, and looks whether it is back. */
import { type Outage, readClock } from '@certbus/acme';
import type { ManagedCertificate } from '@certbus/events';
import { connectToRead } from '../accounts/connect.ts';
import type { CertificateAuthority, Configuration } from '../configuration/configuration.ts';
import type { Context } from '../context.ts';
import { destinationOf } from '../decide/destination.ts';
import { cannotWait } from '../decide/outage.ts';

/** Why no order for a certificate can be made now at a CA; `undefined` where one can be. For one that cannot wait the pause ends here. */
function outageAt(
  { connections, now }: Context,
  directory: string,
  certificate: ManagedCertificate | undefined,
): Outage | undefined {
  const outage = connections.outage(directory);
  if (!outage || !certificate || !cannotWait(certificate, outage, now())) return outage;
  connections.lookAgain(directory);
  return connections.outage(directory);
}

/** The CAs of a configuration that are down, by their directories, as far as this process knows. */
export function outagesFor(
  context: Context,
  { authorities }: Configuration,
  certificate: ManagedCertificate | undefined,
): ReadonlyMap<string, Outage> {
  const found = new Map<string, Outage>();
  for (const { directory } of Object.values(authorities)) {
    const outage = outageAt(context, directory, certificate);
    if (outage) found.set(directory, outage);
  }
  return found;
}

/** Where the next order of a certificate goes. */
export interface Target {
  readonly directory: string;
  /** Whether an issuance is open there that is only to be closed, since a second CA is asked in its place. */
  readonly isLeft: boolean;
}

/** Where the next order of a certificate goes: where one is open already, or else as `destinationOf` decides. */
export function targetOf(certificate: ManagedCertificate, choice: Parameters<typeof destinationOf>[1]): Target {
  const { directory } = destinationOf(certificate, choice);
  const open = certificate.issuance?.directory;
  return open === undefined ? { directory, isLeft: false } : { directory: open, isLeft: open !== directory };
}

/** Asks a CA for its directory, so that the breaker knows whether it is there. Returns whether it answers. Rejects with the signal's reason. */
export async function isAnswering(
  context: Context,
  authority: CertificateAuthority,
  signal: AbortSignal,
): Promise<boolean> {
  const { directory } = authority;
  if (context.connections.outage(directory)) return false;
  try {
    await readClock(await connectToRead(context, authority), { signal });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    context.logger.warn('a CA does not answer', { directory, why: String(error) });
    return false;
  }
}
