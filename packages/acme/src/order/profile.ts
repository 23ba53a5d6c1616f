/** The profile that an order asks for, and what is known of its limits. */
import { AcmeError } from '../errors.ts';
import type { DirectoryObject } from '../wire/directory.ts';
import type { Identifier } from './identifier.ts';

/** What a profile takes, as far as the CA publishes it outside ACME. */
interface ProfileLimits {
  readonly maxNames: number;
  readonly types: readonly Identifier['type'][];
}

/** letsencrypt.org/docs/profiles, as of 2026-08-21. */
const LETS_ENCRYPT: Readonly<Record<string, ProfileLimits>> = {
  classic: { maxNames: 100, types: ['dns'] },
  tlsserver: { maxNames: 25, types: ['dns'] },
  shortlived: { maxNames: 25, types: ['dns', 'ip'] },
};
const LETS_ENCRYPT_DEFAULT = 'classic';

function invalid(message: string): AcmeError {
  return new AcmeError('CERTBUS_ACME_ORDER_INVALID', message);
}

/** What to do where a CA does not have a profile. */
export type IfMissing = 'fail' | 'default';

/**
 * The profile to order with, of what is wanted and what the directory offers; `undefined` leaves it to the CA. Throws
 * `CERTBUS_ACME_ORDER_INVALID` where the CA does not have it and `ifMissing` is `fail`.
 */
export function chooseProfile(
  wanted: string | undefined,
  { meta }: DirectoryObject,
  { ifMissing, directory }: { readonly ifMissing: IfMissing; readonly directory: string },
): string | undefined {
  if (wanted === undefined || Object.hasOwn(meta.profiles, wanted)) return wanted;
  if (ifMissing === 'default') return undefined;
  const list = Object.keys(meta.profiles).join(', ') || 'none';
  throw invalid(
    `The CA at ${directory} has no profile "${wanted}" (it offers: ${list}). Choose one of these, or none.`,
  );
}

/**
 * Checks identifiers against a profile where its rules are known, which they are for Let's Encrypt, so that an order that cannot pass
 * costs none of the account's. Throws `CERTBUS_ACME_ORDER_INVALID`.
 */
export function checkIdentifiers(
  profile: string | undefined,
  identifiers: readonly Identifier[],
  directory: string,
): void {
  if (!URL.parse(directory)?.hostname.endsWith('.api.letsencrypt.org')) return;
  const name = profile ?? LETS_ENCRYPT_DEFAULT;
  const limits = Object.hasOwn(LETS_ENCRYPT, name) ? LETS_ENCRYPT[name] : undefined;
  if (!limits) return;
  const { maxNames, types } = limits;
  if (identifiers.length > maxNames) {
    throw invalid(`Profile "${name}" takes ${maxNames} names, and the order has ${identifiers.length}. Split it.`);
  }
  const other = identifiers.find(({ type }) => !types.includes(type));
  if (!other) return;
  const able = Object.keys(LETS_ENCRYPT).filter((each) => LETS_ENCRYPT[each]?.types.includes(other.type));
  throw invalid(`Profile "${name}" has no certificates for ${other.value}; choose ${able.join(' or ')}.`);
}
