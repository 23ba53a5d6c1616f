/** The download of an issued certificate: the CA's chains, and the choice between them. */
import type { Engine, Session } from '../wire/engine.ts';
import { type ChainExpectation, parseCertificate } from '../x509/certificate.ts';
import { isPreferred, type NamedChain } from '../x509/chain.ts';

/** More chains than any CA has; each is a download. */
const MAX_ALTERNATES = 8;

/** A chain, and whether it is what was preferred. */
export interface Download {
  readonly chain: NamedChain;
  /** False where no chain of the CA fits the preference, so that it is the CA's default. */
  readonly isPreferred: boolean;
}

async function readAlternate(
  engine: Engine,
  session: Session,
  url: string,
  expectation: ChainExpectation,
): Promise<NamedChain | undefined> {
  try {
    return parseCertificate((await session.read(url)).body, expectation);
  } catch (error) {
    session.signal.throwIfAborted();
    // There is a good chain already.
    engine.logger.info('another chain of the CA is of no use', { url, why: String(error) });
    return undefined;
  }
}

/**
 * Downloads a certificate and checks it (RFC 8555 §7.4.2). With a preference, the CA's further chains are looked at until one fits,
 * eight at most; where none does, it is the CA's default. Rejects with `CERTBUS_ACME_CERTIFICATE_REFUSED`, or as requests do.
 */
export async function downloadChain(
  engine: Engine,
  session: Session,
  {
    url,
    preferredChain,
    ...expectation
  }: ChainExpectation & { readonly url: string; readonly preferredChain?: string | undefined },
): Promise<Download> {
  const { body, alternates = [] } = await session.read(url);
  const chain = parseCertificate(body, expectation);
  if (preferredChain === undefined || isPreferred(chain, preferredChain)) return { chain, isPreferred: true };
  const seen = [chain.rootName];
  for (const alternate of alternates.slice(0, MAX_ALTERNATES)) {
    const other = await readAlternate(engine, session, alternate, expectation);
    if (other && isPreferred(other, preferredChain)) return { chain: other, isPreferred: true };
    if (other) seen.push(other.rootName);
  }
  engine.logger.warn('no chain of the CA leads to the preferred root; its default is used', { preferredChain, seen });
  return { chain, isPreferred: false };
}
