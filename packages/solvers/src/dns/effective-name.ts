/** Where a record goes that an alias points to. */
import { AcmeError } from '@certbus/acme';
import { controlNameFor } from './control-label.ts';
import type { Lookups } from './lookups.ts';
import type { DnsOptions } from './options.ts';

/** Where a TXT record belongs, and how that was found. */
export interface EffectiveName {
  readonly name: string;
  /** From the name that was asked for to `name`, by CNAME. */
  readonly path: readonly string[];
  /** Where a CNAME at `name` leads that was not followed, since a wildcard makes it: a record at `name` takes its place. */
  readonly wildcardTarget?: string;
}

const MAX_CNAMES = 8;

/** Whether the name next to it is an alias of the same place: then a wildcard makes both (RFC 4592), and delegates neither. */
async function isMadeByWildcard(name: string, target: string, { cname }: Pick<Lookups, 'cname'>): Promise<boolean> {
  try {
    return (await cname(controlNameFor(name))) === target;
  } catch (error) {
    if (error instanceof AcmeError) return false;
    throw error;
  }
}

/** What to do with aliases. */
export interface AliasOptions extends Pick<DnsOptions, 'followAliases'> {
  /** Whether those that wildcards make are followed, too: as a CA does, for what is only read. Default false. */
  readonly followWildcards?: boolean;
}

/**
 * The name at which a CA will find a TXT record: where CNAMEs lead (RFC 8555 §8.4 with RFC 1034 §3.6.2), but for those that a wildcard
 * makes, whose place a record at the name itself takes. Rejects with `CERTBUS_ACME_SOLVER_FAILED` for a loop, for a chain of more
 * than eight, and where DNS does not answer.
 */
export async function effectiveName(
  dnsName: string,
  lookups: Pick<Lookups, 'cname'>,
  { followAliases = true, followWildcards = false }: AliasOptions = {},
): Promise<EffectiveName> {
  const path = [dnsName];
  for (let name = dnsName; ; ) {
    const target = followAliases ? await lookups.cname(name) : undefined;
    if (target === undefined) return { name, path };
    const isLoop = path.includes(target);
    if (!isLoop && !followWildcards && (await isMadeByWildcard(name, target, lookups)))
      return { name, path, wildcardTarget: target };
    path.push(target);
    if (isLoop || path.length > MAX_CNAMES + 1) {
      const why = isLoop ? 'lead in a circle' : `are more than ${MAX_CNAMES}`;
      const message = `The CNAMEs of ${dnsName} ${why}: ${path.join(' -> ')}. Correct them in DNS.`;
      throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
    }
    name = target;
  }
}

/** How a name was found, as a sentence; `undefined` where no alias had a part in it. */
export function howFound({ name, path, wildcardTarget }: EffectiveName): string | undefined {
  const [first] = path;
  const ways = [
    ...(path.length > 1
      ? [`CNAMEs lead there: ${path.join(' -> ')} ("followAliases": false writes at ${first} itself)`]
      : []),
    ...(wildcardTarget === undefined
      ? []
      : [`the CNAME of ${name} to ${wildcardTarget} is made by a wildcard, and was not followed`]),
  ];
  const text = ways.join('; ');
  return text === '' ? undefined : `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

const OF_THE_PLACE: ReadonlySet<string> = new Set(['CERTBUS_ACME_ZONE_NOT_FOUND', 'CERTBUS_ACME_SOLVER_FAILED']);

/** Works at a name, such as looking for its zone; a failure has the way to the name. */
export async function withWay<T>(found: EffectiveName | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const how = found && howFound(found);
    if (!(error instanceof AcmeError) || !OF_THE_PLACE.has(error.code) || !how) throw error;
    throw new AcmeError(error.code, `${error.message} ${how}`, { cause: error });
  }
}
