/** What clients that name no server are shown. */
import { createSecureContext } from 'node:tls';
import { normalizeServerName } from '@certbus/events';
import type { MaterialSource } from '../serving/material-source.ts';
import { makeContext } from './contexts.ts';
import type { DefaultKeyPair, KeyPair } from './default-certificates.ts';

/** The certificates of clients without a server name. */
export interface Defaults {
  /** The certificate of the address that they came to, else that of the default name. */
  find(address: string): Promise<DefaultKeyPair | undefined>;
  /** Whether there may be one on some server. */
  isFound(): boolean;
}

/** Finds defaults among a client's certificates. */
export function createDefaults({
  source,
  defaultName,
  now,
}: {
  readonly source: MaterialSource;
  readonly defaultName: string | undefined;
  readonly now: () => Date;
}): Defaults {
  let isFound = defaultName !== undefined;

  async function pairFor(name: string): Promise<DefaultKeyPair | undefined> {
    let shown: KeyPair | undefined;
    const build = ({ cert, key }: KeyPair) => {
      const context = createSecureContext({ cert, key });
      shown = { cert, key };
      return context;
    };
    const made = await makeContext({ source, build, now }, name);
    return made && shown && { ...shown, until: made.until };
  }

  return {
    isFound: () => isFound,
    async find(address) {
      for (const name of [address, defaultName && normalizeServerName(defaultName)]) {
        const pair = name ? await pairFor(name) : undefined;
        if (!pair) continue;
        isFound = true;
        return pair;
      }
      return undefined;
    },
  };
}
