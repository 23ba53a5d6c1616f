/** Runs all examinations of `certbus doctor`, in their order. */
import type { Waiting } from '@certbus/acme';
import { createDnsView } from '@certbus/solvers/dns-view';
import { getDomain } from 'tldts';
import type { Configuration } from '../configuration/configuration.ts';
import type { Context } from '../context.ts';
import { bare, dnsSettingsFor } from '../issuance/solvers.ts';
import { examineBus } from './bus.ts';
import { examineCaa } from './caa.ts';
import { examineCertificateAuthority, type NamedAuthority } from './certificate-authority.ts';
import { examineCertificates } from './certificates.ts';
import { examineControl } from './control.ts';
import { examineDns } from './dns.ts';
import { examineFiles, type LocalFiles } from './files.ts';
import type { Finding } from './finding.ts';
import { examineSecrets } from './secrets.ts';

/** What to look at besides the bus and the CAs. */
export interface DiagnosisOptions {
  /** Domains whose DNS is tried; default the registered domains of the managed certificates, 20 at most. */
  readonly domains?: readonly string[];
  /** `ADDRESS` or `ADDRESS:PORT` of the resolvers to ask; default those of the configuration for a domain, else the system's. */
  readonly resolvers?: readonly string[];
  /** Files of this machine whose owners and modes are looked at. Default none. */
  readonly local?: LocalFiles;
  /** Whether to write a value into DNS, and take it away again. Default true. */
  readonly writeDns?: boolean;
  readonly signal: AbortSignal;
  /** Called with each finding as it comes. */
  readonly onFinding?: (finding: Finding) => void;
  /** Called with what a look at DNS waits for, when it has changed. */
  readonly onWaiting?: ((waiting: Waiting) => void) | undefined;
}

const MAX_DOMAINS = 20;

/** The registered domains that certificates are managed for, each once. */
function domainsOf({ view }: Context): string[] {
  const domains = new Set<string>();
  for (const { names } of view.state.all()) {
    for (const name of names.map(bare)) {
      const domain = getDomain(name, { allowPrivateDomains: true });
      if (domain !== null) domains.add(domain);
    }
    if (domains.size >= MAX_DOMAINS) break;
  }
  return [...domains].slice(0, MAX_DOMAINS);
}

/** How a domain is proved by the certificates that there are. */
interface Use {
  /** A CAA record that allows less would stop renewals. */
  readonly challengeTypes: readonly string[];
  /** A name at which values are written into DNS: the domain itself, or else one below it. */
  readonly writtenName: string | undefined;
}

const WRITTEN = new Set(['dns-01', 'dns-account-01']);

/** One pass over all certificates, of which there may be a million, for all domains. */
function usesOf(domains: readonly string[], { view }: Context): (domain: string) => Use {
  const found = new Map(domains.map((domain) => [domain, { types: new Set<string>(), written: new Set<string>() }]));
  for (const { names, challengeType, directory } of view.state.all()) {
    if (directory === undefined || challengeType === undefined) continue;
    const bares = names.map(bare);
    for (const [domain, { types, written }] of found) {
      const parent = bare(domain);
      const below = bares.filter((name) => name === parent || name.endsWith(`.${parent}`));
      const [first] = below;
      if (first === undefined) continue;
      types.add(challengeType);
      const name = below.includes(parent) ? parent : first;
      if (WRITTEN.has(challengeType) && (written.size === 0 || name === parent)) written.add(name);
    }
  }
  return (domain) => {
    const { types = new Set<string>(), written = new Set<string>() } = found.get(domain) ?? {};
    const writtenName = written.has(bare(domain)) ? bare(domain) : [...written][0];
    return { challengeTypes: [...types].sort(), writtenName };
  };
}

/** The CAs that a certificate may be asked of by default: the default one, and what stands in for it. */
function issuing({ authorities, defaultAuthority }: Configuration): NamedAuthority[] {
  const fallback = authorities[defaultAuthority]?.fallback;
  const names = [defaultAuthority, ...(fallback === undefined ? [] : [fallback])];
  return names.flatMap((name) => {
    const authority = authorities[name];
    return authority ? [{ name, authority }] : [];
  });
}

/** The resolvers that the configuration names for a domain, as an issuance would ask them. */
function resolversFor(config: Configuration, domain: string): readonly string[] | undefined {
  const dns = dnsSettingsFor(config, domain);
  return (dns && 'resolver' in dns ? dns.resolver : undefined) ?? config.http01?.resolver ?? config.tlsAlpn01?.resolver;
}

/**
 * Looks at everything that an issuance depends on, as an issuance would use it: the bus and this manager's key, the certificates, each CA of the
 * configuration, its clock and the account there, and the DNS of each domain. What is wrong is a finding; only an abort rejects.
 */
export async function diagnose(
  context: Context,
  config: Configuration,
  {
    domains = domainsOf(context),
    resolvers,
    local,
    writeDns = true,
    signal,
    onFinding = () => {},
    onWaiting,
  }: DiagnosisOptions,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const add = (found: readonly Finding[]) => {
    findings.push(...found);
    found.forEach(onFinding);
  };
  add(examineBus(context));
  add(examineCertificates(context, config));
  if (local) add(examineFiles(local));
  add(examineSecrets(context, config));
  const silent = new Set<string>();
  for (const [name, authority] of Object.entries(config.authorities)) {
    const found = await examineCertificateAuthority(context, { name, authority }, signal);
    if (found.some(({ check, status }) => check === 'directory' && status === 'failed')) silent.add(name);
    add(found);
  }
  const useOf = usesOf(domains, context);
  for (const domain of domains) {
    const servers = resolvers ?? resolversFor(config, domain);
    const dnsView = createDnsView(servers ? { resolvers: servers } : {});
    const { caa: resolver } = dnsView;
    add([await examineControl(domain, dnsView, signal)]);
    const { challengeTypes: inUse, writtenName } = useOf(domain);
    const name = inUse.length > 0 ? writtenName : bare(domain);
    const isWritten = name !== undefined && dnsSettingsFor(config, name) !== undefined;
    const challengeTypes = inUse.length > 0 ? inUse : [isWritten ? 'dns-01' : 'http-01'];
    // A CA that does not answer is a finding already, and cannot be asked for its name in CAA records.
    for (const named of issuing(config).filter(({ name }) => !silent.has(name)))
      add(await examineCaa(context, { named, domain, challengeTypes, resolver, signal }));
    if (writeDns && isWritten) add([await examineDns(context, { config, domain, name, signal, onWaiting })]);
  }
  return findings;
}
