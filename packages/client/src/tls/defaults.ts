/** What clients that name no server are shown. */
import { createSecureContext } from 'node:tls';
import { candidatesOf, isAddress, normalizeServerName } from '@certbus/events';
import { ReplicaError } from '@certbus/replica';
import { type ClientError, notOpened } from '../errors.ts';
import { type KeyType, keyTypeOf } from '../serving/key-type.ts';
import type { MaterialSource } from '../serving/material-source.ts';
import type { Candidate } from '../serving/ranking.ts';
import { closeNative } from './contexts.ts';
import type { DefaultKeyPairs, KeyPair } from './default-certificates.ts';

/** The certificates of clients without a server name. */
export interface Defaults {
  /**
   * The certificates of the address that they came to, else those of the default name: the best one of each kind of key. Rejects where none is found
   * and not all of the replica can be read: what was shown before goes on.
   */
  find(address: string): Promise<DefaultKeyPairs | undefined>;
  /** Whether there may be one on some server. */
  isFound(): boolean;
  /** Whether a change of a certificate with these names can change what is found. */
  isAbout(names: readonly string[]): boolean;
}

/** An expired certificate is shown where there is nothing better, and not looked up again at every handshake. */
const EXPIRED_MS = 60_000;

/** A context has one place for all elliptic curves: of two, the second takes the place of the first, whose key then does not match. */
const placeOf = (keyType: KeyType): string => (keyType.startsWith('p-') ? 'ecdsa' : keyType);

/** A key that opens and that TLS refuses is as useless as one that does not open. */
function checked(pair: KeyPair, candidate: Candidate): KeyPair {
  try {
    closeNative(createSecureContext({ cert: pair.cert, key: pair.key }));
    return pair;
  } catch (cause) {
    throw notOpened(candidate, cause);
  }
}

/** Finds defaults among a client's certificates. */
export function createDefaults({
  source,
  defaultName,
  now,
}: {
  readonly source: Pick<MaterialSource, 'ranking' | 'open' | 'refuse' | 'isWhole'>;
  readonly defaultName: string | undefined;
  readonly now: () => Date;
}): Defaults {
  const own = defaultName && normalizeServerName(defaultName);
  const covering = own ? candidatesOf(own) : [];
  let isFound = defaultName !== undefined;

  /** Chain and key of a candidate, where both can be used; else it is refused, with an alarm. */
  async function pairOf(candidate: Candidate): Promise<KeyPair | undefined> {
    try {
      const { cert, key, certificateId, issued } = await source.open(candidate);
      return checked({ cert, key, certificateId, serialNumber: issued.serialNumber }, candidate);
    } catch (error) {
      source.refuse(candidate, error as ClientError);
      return undefined;
    }
  }

  async function pairsFor(name: string): Promise<DefaultKeyPairs | undefined> {
    const at = now().getTime();
    const { candidates, until, hasKeyTypes } = source.ranking(name);
    const pairs = new Map<string, KeyPair>();
    for (const candidate of candidates) {
      const { notBefore, notAfter } = candidate.issued;
      const isValid = Date.parse(notBefore) <= at && at < Date.parse(notAfter);
      const place = placeOf(hasKeyTypes ? keyTypeOf(candidate.issued) : 'other');
      // What is not valid is shown only where there is nothing else.
      if (pairs.has(place) || (pairs.size > 0 && !isValid)) continue;
      const pair = await pairOf(candidate);
      if (pair) pairs.set(place, pair);
    }
    if (pairs.size === 0) return undefined;
    return { pairs: [...pairs.values()], since: at, until: until?.getTime() ?? at + EXPIRED_MS };
  }

  return {
    isFound: () => isFound,
    isAbout: (names) => names.some((name) => isAddress(name) || covering.includes(name)),
    async find(address) {
      for (const name of [address, own]) {
        const found = name ? await pairsFor(name) : undefined;
        if (!found) continue;
        isFound = true;
        return found;
      }
      if (isFound && !source.isWhole())
        throw new ReplicaError(
          'CERTBUS_REPLICA_DAMAGED',
          'The default certificate may be in a row that does not read.',
        );
      return undefined;
    },
  };
}
