/** Reads which certificates are asked for: the names of one on a command line, or of many in a file. */
import { type ChallengeType, nameSetKey, normalizeAddress } from '@certbus/events';
import { parseSubject } from '@certbus/manager';
import { withoutMark } from '@certbus/runtime/local';
import { CliError } from '../errors.ts';
import { firstOf } from '../put-off.ts';

/** Of Unix, of Windows, and of programs that know neither: what is not seen as one would put the names of all lines into one certificate. */
const LINE_END = /\r\n?|[\n\v\f\u0085\u2028\u2029]/;

const usage = (message: string): CliError => new CliError('CERTBUS_CLI_USAGE', message);

/** The names of one certificate for a domain, as `--wildcard` and `--subdomain` choose them. Throws `CERTBUS_CLI_USAGE`. */
function namesForDomain(
  domain: string,
  { wildcard, subdomain }: { readonly wildcard: boolean; readonly subdomain: boolean },
): string[] {
  if (domain.startsWith('*.')) {
    const parent = domain.slice(2);
    throw usage(`Name the domain itself: "certbus cert mk ${parent} --wildcard" covers *.${parent} and ${parent}.`);
  }
  if (normalizeAddress(domain)) {
    if (!wildcard) return [domain];
    throw usage(`${domain} is an IP address, which has no names below it: leave --wildcard out.`);
  }
  if (wildcard) return [`*.${domain}`, domain];
  return subdomain || /^www\./i.test(domain) ? [domain] : [domain, `www.${domain}`];
}

/**
 * The names of one certificate as a command line has them: what a single domain stands for, or exactly the names where there are several.
 * Throws `CERTBUS_CLI_USAGE`.
 */
export function namesFor(
  domains: readonly string[],
  choice: { readonly wildcard: boolean; readonly subdomain: boolean },
): string[] {
  const [first] = domains;
  if (first === undefined) throw usage('Name a domain, or a file with --from.');
  if (domains.length === 1) return namesForDomain(first, choice);
  if (!choice.wildcard && !choice.subdomain) return [...domains];
  throw usage('--wildcard and --subdomain go with one domain. With several, the certificate has exactly these names.');
}

/** The names of one certificate, and the line of the file that asks for it. */
export interface NameSet {
  readonly line: number;
  /** In their one form, sorted. */
  readonly names: readonly string[];
}

/**
 * Reads a file of certificates to make: the names of one on each line, between spaces or commas; `#` begins a comment. A set that is there
 * twice is taken once. Throws `CERTBUS_CLI_USAGE` with every line that cannot be issued, before anything is.
 */
export function parseNameSets(
  text: string,
  { source, challengeType }: { readonly source: string; readonly challengeType: ChallengeType },
): NameSet[] {
  const sets = new Map<string, NameSet>();
  const faults: string[] = [];
  for (const [index, content] of withoutMark(text).split(LINE_END).entries()) {
    const typed = content
      .replace(/#.*/, '')
      .split(/[\s,]+/)
      .filter(Boolean);
    if (typed.length === 0) continue;
    const line = index + 1;
    try {
      const names = parseSubject(typed, challengeType);
      const key = nameSetKey(names);
      if (!sets.has(key)) sets.set(key, { line, names });
    } catch (error) {
      faults.push(`line ${line}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (faults.length > 0) throw usage(`${source} has lines that no CA issues for. ${firstOf(faults).join(' ')}`);
  if (sets.size === 0) throw usage(`${source} has no names. Write the names of one certificate on each line.`);
  return [...sets.values()];
}
