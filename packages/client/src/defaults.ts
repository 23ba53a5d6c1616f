import { createSecureContext } from 'node:tls';
import { normalizeAddress, normalizeServerName } from '@certbus/events';
import { makeContext } from './contexts.ts';
import type { Parts } from './parts.ts';
import type { Material } from './tls/default-certificates.ts';

/** A name or address as somebody typed it, in its one form. */
export const nameOf = (typed: string): string | undefined => normalizeAddress(typed) ?? normalizeServerName(typed);

/** What clients that name no server are shown. */
export interface Defaults {
  /** The certificate of the address that they came to, else that of the default name. */
  find(address: string): Promise<Material | undefined>;
  /** Whether there may be one on some server. */
  isFound(): boolean;
}

/** Finds defaults in a client's replica. */
export function createDefaults({ options, replica, vault, emitter, now }: Parts): Defaults {
  let isFound = options.defaultName !== undefined;

  async function materialOf(name: string): Promise<Material | undefined> {
    let material: Material | undefined;
    const build = (made: Material) => {
      const context = createSecureContext(made);
      material = made;
      return context;
    };
    const alarm = (error: Error) => void emitter.emit('alarm', error);
    await makeContext({ replica, privateKey: vault.privateKey, build, alarm, now }, name);
    return material;
  }

  return {
    isFound: () => isFound,
    async find(address) {
      const { defaultName } = options;
      for (const name of [address, defaultName && nameOf(defaultName)]) {
        const material = name ? await materialOf(name) : undefined;
        if (!material) continue;
        isFound = true;
        return material;
      }
      return undefined;
    },
  };
}
