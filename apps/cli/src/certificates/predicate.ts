/** The flags that say which certificates are meant, for plans, campaigns and revocations. */
import type { Predicate } from '@certbus/manager';
import { Flags } from '@oclif/core';
import { CliError } from '../errors.ts';
import { parseInstant } from '../instant.ts';
import { inAscii } from './listing.ts';

/** The flags; `dependsOn` names the flag without which none of them means anything. */
export const predicateFlags = (...dependsOn: string[]) => ({
  name: Flags.string({ description: "of certificates with a name like this; '*' stands for any letters", dependsOn }),
  domain: Flags.string({ description: 'of certificates for this domain and below it', dependsOn }),
  authority: Flags.string({ description: 'of certificates of this authority of the configuration', dependsOn }),
  profile: Flags.string({ description: 'of certificates with this profile', dependsOn }),
  'key-type': Flags.string({ description: 'of certificates with a key of this type', dependsOn }),
  issuer: Flags.string({ description: 'of certificates from the issuer with this hash', dependsOn }),
  'issued-before': Flags.string({ description: 'of certificates issued before then', dependsOn }),
  'sealed-to': Flags.string({
    description: 'of certificates whose private key was sealed to this recipient, by its name or as age1…',
    dependsOn,
  }),
  'obtained-by': Flags.string({
    description: 'of certificates that this manager obtained, or made the private key of, by its name or signing key',
    dependsOn,
  }),
  'obtained-since': Flags.integer({
    description: 'of certificates that were obtained at this position of the bus or later',
    min: 1,
    dependsOn,
  }),
});

/** The flags of predicates, as they were parsed. */
interface PredicateFlags {
  readonly name?: string | undefined;
  readonly domain?: string | undefined;
  readonly authority?: string | undefined;
  readonly profile?: string | undefined;
  readonly 'key-type'?: string | undefined;
  readonly issuer?: string | undefined;
  readonly 'issued-before'?: string | undefined;
  readonly 'sealed-to'?: string | undefined;
  readonly 'obtained-by'?: string | undefined;
  readonly 'obtained-since'?: number | undefined;
}

/** Names on the bus have nothing else, besides what a pattern adds. */
function patternOf(name: string): string {
  const pattern = inAscii(name);
  if (/^[a-z0-9_.:*-]{1,255}$/.test(pattern)) return pattern;
  throw new CliError('CERTBUS_CLI_USAGE', `"${name}" cannot be a part of a name. Write one like "*.example.com".`);
}

/** What the flags mean. Rejects `CERTBUS_CLI_USAGE` and `CERTBUS_MANAGER_KEY_TYPE_REFUSED`. */
export async function predicateOf(flags: PredicateFlags): Promise<Predicate> {
  const { parseKeyType } = await import('@certbus/manager');
  const { name, domain, authority, profile, issuer } = flags;
  const { 'key-type': keyType, 'issued-before': before } = flags;
  return {
    pattern: name === undefined ? undefined : patternOf(name),
    domain: domain === undefined ? undefined : inAscii(domain),
    authority,
    profile,
    keyType: keyType === undefined ? undefined : parseKeyType(keyType),
    issuer,
    issuedBefore: before === undefined ? undefined : parseInstant(before),
    sealedTo: flags['sealed-to'],
    obtainedBy: flags['obtained-by'],
    obtainedSince: flags['obtained-since'],
  };
}

/** Whether any condition is given. */
export const hasConditions = (predicate: Predicate): boolean =>
  Object.values(predicate).some((condition) => condition !== undefined);
