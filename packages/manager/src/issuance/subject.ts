/** Checks the names of a certificate before a CA is asked. */
import { type ChallengeType, EventsError, isAddress, MAX_NAMES, normalizeNames } from '@certbus/events';
import { parse } from 'tldts';
import { ManagerError } from '../errors.ts';

function refuse(why: string, cause?: unknown): ManagerError {
  return new ManagerError('CERTBUS_MANAGER_NAME_REFUSED', why, { cause });
}

function normalize(names: readonly string[]): string[] {
  try {
    return normalizeNames(names);
  } catch (error) {
    if (error instanceof EventsError) throw refuse(error.message, error);
    throw error;
  }
}

function checkRegistrable(name: string): void {
  const bare = name.replace(/^\*\./, '');
  const { publicSuffix, isIcann, isPrivate } = parse(bare, { allowPrivateDomains: true });
  if (publicSuffix !== bare || !(isIcann || isPrivate)) return;
  throw refuse(
    `"${name}" is a public suffix: domains are registered under it, and no CA issues for it. Name a domain below it.`,
  );
}

/** An answer at a name proves nothing about the names below it. */
const FOR_WILDCARDS = new Set<ChallengeType>(['dns-01', 'dns-account-01', 'dns-persist-01']);
/** RFC 8738 section 7: DNS proves nothing about an address. */
const FOR_ADDRESSES = new Set<ChallengeType>(['http-01', 'tls-alpn-01']);

function checkAddress(address: string, challengeType: ChallengeType): void {
  if (FOR_ADDRESSES.has(challengeType)) return;
  throw refuse(
    `"${address}" is an IP address, which only http-01 and tls-alpn-01 can prove (RFC 8738 section 7), not ${challengeType}.`,
  );
}

/**
 * The names of a certificate to be made, in their one form, checked for what every CA would refuse.
 *
 * Throws `CERTBUS_MANAGER_NAME_REFUSED` for a malformed name, a public suffix, a name that a wildcard next to it covers, a
 * wildcard or an IP address with a challenge that cannot prove it, and more names than a certificate takes.
 */
export function parseSubject(names: readonly string[], challengeType: ChallengeType): string[] {
  const normalized = normalize(names);
  if (normalized.length === 0) throw refuse('A certificate needs at least one name.');
  if (normalized.length > MAX_NAMES)
    throw refuse(`${normalized.length} names are asked for; a certificate takes ${MAX_NAMES}.`);
  for (const name of normalized) {
    if (isAddress(name)) {
      checkAddress(name, challengeType);
      continue;
    }
    if (name.includes('_'))
      throw refuse(
        `"${name}" has an underscore, with which no CA issues: host names have letters, digits and hyphens.`,
      );
    checkRegistrable(name);
    const parent = `*${name.slice(name.indexOf('.'))}`;
    if (parent !== name && normalized.includes(parent))
      throw refuse(`"${name}" is covered by "${parent}" already: leave one out.`);
    if (name.startsWith('*.') && !FOR_WILDCARDS.has(challengeType)) {
      throw refuse(
        `"${name}" is a wildcard, which only dns-01, dns-account-01 and dns-persist-01 can prove (RFC 8555 section 7.1.3), not ${challengeType}.`,
      );
    }
  }
  return normalized;
}
