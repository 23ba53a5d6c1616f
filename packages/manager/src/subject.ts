import { type ChallengeType, EventsError, normalizeNames } from '@certbus/events';
import { parse } from 'tldts';
import { ManagerError } from './errors.ts';

const MAX_NAMES = 100;

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

/**
 * The names of a certificate to be made, in their one form, checked for what every CA would refuse.
 *
 * Throws `CERTBUS_MANAGER_NAME_REFUSED` for a malformed name, a public suffix, a name that a wildcard beside it covers, a
 * wildcard with a challenge that cannot prove it, and more names than a certificate takes.
 */
export function parseSubject(names: readonly string[], challengeType: ChallengeType): string[] {
  const normalized = normalize(names);
  if (normalized.length === 0) throw refuse('A certificate needs at least one name.');
  if (normalized.length > MAX_NAMES)
    throw refuse(`${normalized.length} names are asked for; a certificate takes ${MAX_NAMES}.`);
  for (const name of normalized) {
    checkRegistrable(name);
    const parent = `*${name.slice(name.indexOf('.'))}`;
    if (parent !== name && normalized.includes(parent))
      throw refuse(`"${name}" is covered by "${parent}" already: leave one out.`);
    if (name.startsWith('*.') && challengeType !== 'dns-01') {
      throw refuse(
        `"${name}" is a wildcard, which only dns-01 can prove (RFC 8555 section 7.1.3), not ${challengeType}.`,
      );
    }
  }
  return normalized;
}
