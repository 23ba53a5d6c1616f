/** Makes the TLS context of a server name. */
import { type ClientError, keyTypeUnused, notOpened } from '../errors.ts';
import type { Material, MaterialSource } from '../serving/material-source.ts';
import type { NamedContext } from './context-cache.ts';

/** What is needed to make TLS contexts. */
export interface ContextMaking {
  readonly source: Pick<MaterialSource, 'ranking' | 'open' | 'refuse' | 'reportKey'>;
  /** Builds the native context. */
  build(material: Material): NamedContext['context'];
  readonly now: () => Date;
}

/** An expired certificate is shown where there is nothing better, and not looked up again at every handshake. */
const EXPIRED_MS = 60_000;

/**
 * Makes the context for a server name from the best certificate whose key opens here. Those that do not open raise an alarm, and
 * the next best is shown: a renewal never makes an outage.
 */
export async function makeContext(
  { source, build, now }: ContextMaking,
  serverName: string,
): Promise<NamedContext | undefined> {
  const { candidates, until, hasKeyTypes } = source.ranking(serverName);
  const [best] = candidates;
  if (hasKeyTypes && best) source.reportKey(best.certificateId, keyTypeUnused(serverName));
  for (const candidate of candidates) {
    const { certificateId, issued } = candidate;
    try {
      const context = buildFrom(await source.open(candidate), build);
      const next = until?.getTime() ?? now().getTime() + EXPIRED_MS;
      return { certificateId, leafHash: issued.leafHash, context, until: next };
    } catch (error) {
      source.refuse(candidate, error as ClientError);
    }
  }
  return undefined;
}

/** A key that opens and that TLS refuses is as useless as one that does not open. */
function buildFrom(material: Material, build: ContextMaking['build']): NamedContext['context'] {
  try {
    return build(material);
  } catch (cause) {
    throw notOpened(material, cause);
  }
}
