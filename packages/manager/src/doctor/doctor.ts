/** Runs all examinations of `certbus doctor`, in their order. */
import type { Waiting } from '@certbus/acme';
import { createDnsView } from '@certbus/solvers/dns-view';
import { getDomain } from 'tldts';
import type { Configuration } from '../configuration/configuration.ts';
import { resolversFor } from '../configuration/resolvers.ts';
import type { Context } from '../context.ts';
import { bare, dnsSettingsFor } from '../issuance/solvers.ts';
import type { Picture } from '../state/picture.ts';
import { examineAge, examineAway, examineBus } from './bus.ts';
import { examineCaa } from './caa.ts';
import { examineCertificateAuthority, type NamedAuthority } from './certificate-authority.ts';
import { examineCertificates } from './certificates.ts';
import { examineControl } from './control.ts';
import { examineDns } from './dns.ts';
import { examineFiles, type LocalFiles } from './files.ts';
import { type Finding, findingsOn, reasonFor } from './finding.ts';
import { examineSecrets } from './secrets.ts';

/** What to look at besides the bus and the CAs. */
export interface DiagnosisOptions {
  /** Domains whose DNS is tried; default the registered domains of the managed certificates, 20 at most. */
  readonly domains?: readonly string[];
  /** `ADDRESS` or `ADDRESS:PORT` of the resolvers to ask; default those of the configuration for a domain, else the system's. */
  readonly resolvers?: readonly string[];
  /** Files of this machine whose owners and modes are looked at. Default none. */
  readonly local?: LocalFiles;
  /** `HOST:PORT` of the proxy that a URL is reached through; `undefined` where it is reached directly. Default: every URL is. Throws for a wrong one. */
  readonly proxyOf?: ((url: string) => string | undefined) | undefined;
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

/** The proxy that each CA is reached through, where there is one. */
function examineProxies({ authorities }: Configuration, proxyOf: NonNullable<DiagnosisOptions['proxyOf']>): Finding[] {
  return Object.entries(authorities).flatMap(([name, { directory }]) => {
    const { good, failed } = findingsOn('proxy', name);
    try {
      const proxy = proxyOf(directory);
      return proxy === undefined ? [] : [good(`${directory} is reached through the proxy ${proxy}`)];
    } catch (error) {
      return [failed(reasonFor(error), 'Correct the variable.')];
    }
  });
}

/** What is known before the examinations begin. */
export interface DiagnosisSubject {
  /** The configuration, or why it cannot be read. */
  readonly config: Configuration | Error;
  /** Why the bus cannot be read; `undefined` where it was read to its head. */
  readonly away: unknown;
}

/**
 * Looks at everything that an issuance depends on, as an issuance would use it: the bus and this manager's key, the certificates, each CA of the
 * configuration, its clock and the account there, and the DNS of each domain. What is wrong is a finding, after which it goes on; only an
 * abort rejects.
 */
export async function diagnose(
  context: Context,
  subject: DiagnosisSubject,
  {
    domains = domainsOf(context),
    resolvers,
    local,
    proxyOf,
    writeDns = true,
    signal,
    onFinding = () => {},
    onWaiting,
  }: DiagnosisOptions,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const add = (found: readonly Finding[]) => {
    for (const finding of found) findings.push(finding);
    found.forEach(onFinding);
  };
  const { view, now, hasEnded } = context;
  const config = subject.config instanceof Error ? undefined : subject.config;
  if (subject.away !== undefined) add([examineAway(subject.away, view.checkpoint.position)]);
  if (view.checkpoint.position > 0) {
    add(examineBus(context));
    add(examineCertificates(view.state, { config, hasEnded, now: now() }));
  }
  if (local) add(examineFiles(local));
  if (!config) {
    const advice = 'CAs and DNS cannot be looked at without it. Put one on the bus with "certbus conf update".';
    add([findingsOn('config', 'on the bus').failed(reasonFor(subject.config), advice)]);
    return findings;
  }
  if (proxyOf) add(examineProxies(config, proxyOf));
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

/** What a machine without a manager's key can look at. */
export interface ReaderDiagnosis extends Pick<DiagnosisOptions, 'local' | 'onFinding'> {
  /** What was read of the bus; `undefined` where this machine has never read it. */
  readonly picture: Picture | undefined;
  /** Why the bus cannot be read; `undefined` where it was read to its head. */
  readonly away: unknown;
  /** age recipient of this machine's identity, or why there is none; `undefined` where none is needed. */
  readonly recipient: string | Error | undefined;
  readonly hasEnded: (holder: string) => boolean;
  readonly now: Date;
}

/** Whether private keys of the bus open on this machine. */
function examineRecipient(recipient: string | Error, { state }: Picture): Finding {
  const { good, failed } = findingsOn('key', 'identity');
  if (recipient instanceof Error)
    return failed(reasonFor(recipient), 'Name it as "identity" in certbus.json, or with CERTBUS_IDENTITY_FILE.');
  const { recipients } = state.bus;
  const own = recipients.find((each) => each.recipient === recipient);
  return own
    ? good(`private keys are sealed to "${own.name}", which is this one`)
    : failed(
        `private keys are sealed to ${recipients.map(({ name }) => `"${name}"`).join(', ')}, and this identity is not one of them`,
        'Copy the right identity here, or have the holder of the root key name this one.',
      );
}

/** As {@link diagnose}, without what only a manager can open: the configuration, and with it CAs and DNS. */
export function diagnoseReader({
  picture,
  away,
  recipient,
  local,
  hasEnded,
  now,
  onFinding = () => {},
}: ReaderDiagnosis): readonly Finding[] {
  const findings: Finding[] = [];
  const add = (found: readonly Finding[]) => {
    for (const finding of found) findings.push(finding);
    found.forEach(onFinding);
  };
  if (away !== undefined) add([examineAway(away, picture?.position ?? 0)]);
  if (picture) {
    const { position, state } = picture;
    if (away === undefined)
      add([findingsOn('bus', `position ${position}`).good('it was read, and all of it is signed')]);
    add(examineAge(position, state.bus.newestAt, now));
    if (recipient !== undefined) add([examineRecipient(recipient, picture)]);
    add(examineCertificates(state, { config: undefined, hasEnded, now }));
  }
  if (local) add(examineFiles(local));
  return findings;
}
