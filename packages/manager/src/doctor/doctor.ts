import { getDomain } from 'tldts';
import type { Configuration } from '../configuration.ts';
import type { Context } from '../context.ts';
import { examineAuthority } from './authority.ts';
import { examineBus } from './bus.ts';
import { examineDns } from './dns.ts';
import type { Finding } from './finding.ts';

/** What to look at beside the bus and the CAs. */
export interface DiagnosisOptions {
  /** Domains whose DNS is tried; default the registered domains of the managed certificates, 20 at most. */
  readonly domains?: readonly string[];
  /** Whether to write a value into DNS, and take it away again. Default true. */
  readonly writeDns?: boolean;
  readonly signal: AbortSignal;
  /** Told of each finding as it comes. */
  readonly onFinding?: (finding: Finding) => void;
}

const MAX_DOMAINS = 20;

/** The registered domains that certificates are proved for by DNS-01, each once. */
function domainsOf({ view }: Context): string[] {
  const domains = new Set<string>();
  for (const { names, challengeType } of view.state.all()) {
    if (challengeType !== 'dns-01') continue;
    for (const name of names) domains.add(getDomain(name.replace(/^\*\./, ''), { allowPrivateDomains: true }) ?? name);
    if (domains.size >= MAX_DOMAINS) break;
  }
  return [...domains].slice(0, MAX_DOMAINS);
}

/**
 * Looks at everything that an issuance depends on, as an issuance would use it: the bus and this manager's key, each CA of the
 * configuration, its clock and the account there, and the DNS of each domain. What is wrong is a finding; only an abort rejects.
 */
export async function diagnose(
  context: Context,
  config: Configuration,
  { domains = domainsOf(context), writeDns = true, signal, onFinding = () => {} }: DiagnosisOptions,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const say = (found: readonly Finding[]) => {
    findings.push(...found);
    found.forEach(onFinding);
  };
  say(examineBus(context));
  for (const [name, authority] of Object.entries(config.authorities)) {
    say(await examineAuthority(context, { name, authority }, signal));
  }
  for (const domain of writeDns ? domains : []) say([await examineDns(context, { config, domain, signal })]);
  return findings;
}
