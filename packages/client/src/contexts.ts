import type { IssuedCertificate, ManagedCertificate } from '@certbus/events';
import type { Replica } from '@certbus/replica';
import { ClientError } from './errors.ts';
import { type Candidate, rank } from './serving/ranking.ts';
import type { NamedContext } from './tls/context-cache.ts';

/** What is needed to make TLS contexts. */
export interface ContextSource {
  readonly replica: Pick<Replica, 'lookup' | 'issuer'>;
  privateKey(certificateId: string, issued: IssuedCertificate): Promise<string>;
  /** Builds the native context. */
  build(material: { readonly cert: string; readonly key: string }): NamedContext['context'];
  alarm(error: Error): void;
  readonly now: () => Date;
}

function toPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** The chain as a TLS server sends it: leaf first, then its issuers. */
function chainOf({ leaf, issuers }: IssuedCertificate, issuer: (hash: string) => Uint8Array | undefined): string {
  const above = issuers.map(issuer).filter((der) => der !== undefined);
  return [Buffer.from(leaf, 'base64'), ...above].map(toPem).join('');
}

function notOpened({ certificateId, issued }: Candidate, cause: unknown): ClientError {
  const why = cause instanceof Error ? cause.message : 'unknown';
  const what = `The private key of certificate ${certificateId} (serial ${issued.serialNumber}) cannot be used on this server: ${why}`;
  return new ClientError('CERTBUS_CLIENT_KEY_NOT_OPENED', what, { cause });
}

/**
 * Makes the context for a server name from the best certificate whose key opens here. Those that do not open raise an alarm, and
 * the next best is shown: a renewal never makes an outage.
 */
export async function makeContext(source: ContextSource, serverName: string): Promise<NamedContext | undefined> {
  const { replica, now } = source;
  const certificates: ManagedCertificate[] = replica.lookup(serverName);
  for (const candidate of rank(certificates, serverName, now())) {
    const { certificateId, issued } = candidate;
    try {
      const key = await source.privateKey(certificateId, issued);
      const context = source.build({ cert: chainOf(issued, replica.issuer), key });
      const end = Date.parse(issued.notAfter);
      // An expired one is shown where there is nothing better, and not looked up again at every handshake.
      const until = end > now().getTime() ? end : now().getTime() + 60_000;
      return { certificateId, leafHash: issued.leafHash, context, until };
    } catch (cause) {
      source.alarm(notOpened(candidate, cause));
    }
  }
  return undefined;
}
