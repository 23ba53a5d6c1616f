/** Looks whether names are ours to certify, before an order is spent on them. */
import { type Control, checkCaa, classifyControl, readDirectory } from '@certbus/acme';
import { isAddress, type ManagedCertificate } from '@certbus/events';
import type { DnsView } from '@certbus/solvers/dns-view';
import { connectToRead } from '../accounts/connect.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { plainDomain } from '../configuration/domains.ts';
import { resolversFor } from '../configuration/resolvers.ts';
import type { Context } from '../context.ts';
import { registeredDomainOf } from '../decide/limits.ts';
import type { FoundLoss } from '../decide/quarantine.ts';
import { ManagerError } from '../errors.ts';
import { accountAt } from '../state/accounts.ts';

/** Looks at the names of certificates, for the length of a run. */
export interface ControlLook {
  /** Rejects with the signal's reason only. */
  at(certificate: Pick<ManagedCertificate, 'names' | 'challengeType'>, directory: string): Promise<Look>;
}

/**
 * What a look found: every name is ours, or no resolver is configured to ask; names are lost; or DNS did not answer about some, which
 * proves nothing.
 */
export type Look = { readonly state: 'ours' | 'unknown' } | { readonly state: 'lost'; readonly found: FoundLoss };

/** How long a certificate's names are looked at; an order does not wait longer for DNS. */
const LOOK_MS = 10_000;

/** How a CA and its account are named in CAA records; no names where the CA has none. */
interface Issuer {
  readonly issuers: readonly string[];
  readonly accountUrl?: string;
}

/** The longest domain that fits a name of those whose servers the configuration names, and those servers. */
function delegationOf({ quarantine }: Configuration, name: string) {
  const configured = Object.entries((quarantine === false ? undefined : quarantine?.nameServers) ?? {});
  const known = configured.map(([domain, expectedNameServers]) => ({
    domain: plainDomain(domain),
    expectedNameServers,
  }));
  const fitting = known.filter(({ domain }) => name === domain || name.endsWith(`.${domain}`));
  return fitting.toSorted((one, other) => other.domain.length - one.domain.length)[0];
}

/** What was found of each name, as one. */
function judge(found: readonly { readonly name: string; readonly control: Control | undefined }[]): Look {
  const lost = found.flatMap(({ name, control: { state, why } = { state: 'ours', why: '' } }) =>
    state === 'gone' || state === 'moved' || state === 'barred' ? [{ name, loss: state, detail: why }] : [],
  );
  const [first] = lost;
  if (!first) return { state: found.some(({ control }) => control?.state === 'unknown') ? 'unknown' : 'ours' };
  const { loss, detail } = first;
  return { state: 'lost', found: { names: lost.map(({ name }) => name).toSorted(), loss, detail } };
}

/** Asks each question once: the names of a certificate share domains, and those above them. */
function askedOnce(view: DnsView): DnsView {
  type Question<T> = (name: string, options: { readonly signal: AbortSignal }) => Promise<T>;
  function remembered<T>(ask: Question<T>): Question<T> {
    const known = new Map<string, Promise<T>>();
    return (name, options) => {
      const answer = known.get(name) ?? ask(name, options);
      known.set(name, answer);
      return answer;
    };
  }
  return {
    caa: remembered((name, options) => view.caa(name, options)),
    control: remembered((name, options) => view.control(name, options)),
  };
}

/** Opens no connection before it is asked. */
export function createControlLook(context: Context, config: Configuration, signal: AbortSignal): ControlLook {
  const issuers = new Map<string, Promise<Issuer | undefined>>();

  /** The views of one look. */
  function createViews(): (resolvers: readonly string[]) => DnsView {
    const views = new Map<string, DnsView>();
    return (resolvers) => {
      const key = resolvers.join(' ');
      const view = views.get(key) ?? askedOnce(context.openDnsView(resolvers));
      views.set(key, view);
      return view;
    };
  }

  /** `undefined` where the CA cannot be asked now. */
  async function readIssuer(directory: string): Promise<Issuer | undefined> {
    const authority = Object.values(config.authorities).find((each) => each.directory === directory);
    if (!authority) return { issuers: [] };
    if (context.connections.outage(directory)) return undefined;
    try {
      const { caaIdentities } = await readDirectory(await connectToRead(context, authority), { signal });
      const accountUrl = accountAt(context.view.state.bus, directory)?.accountUrl;
      return { issuers: caaIdentities, ...(accountUrl ? { accountUrl } : {}) };
    } catch (error) {
      signal.throwIfAborted();
      context.logger.info('the CA cannot be asked for its name in CAA records', { directory, why: String(error) });
      return undefined;
    }
  }

  function issuerOf(directory: string): Promise<Issuer | undefined> {
    const known = issuers.get(directory) ?? readIssuer(directory);
    issuers.set(directory, known);
    return known;
  }

  /** Judges one name. A name proved through DNS needs no record of its own: its domain has to exist. */
  async function controlOf(
    name: string,
    {
      challengeType,
      directory,
      viewOf,
      look,
    }: { challengeType: string; directory: string; viewOf: ReturnType<typeof createViews>; look: AbortSignal },
  ): Promise<Control | undefined> {
    const resolvers = resolversFor(config, name);
    if (!resolvers) return undefined;
    const view = viewOf(resolvers);
    const bare = name.replace(/^\*\./, '');
    const subject = challengeType.startsWith('dns-') ? registeredDomainOf(name) : bare;
    const { domain, expectedNameServers = [] } = delegationOf(config, bare) ?? {};
    const [{ exists }, delegation] = await Promise.all([
      view.control(subject, { signal: look }),
      domain === undefined ? undefined : view.control(domain, { signal: look }),
    ]);
    const facts = { name: subject, exists, nameServers: delegation?.nameServers, expectedNameServers };
    const first = classifyControl(facts);
    if (first.state !== 'ours') return first;
    const question = { challengeType, resolver: view.caa, signal: look };
    // What lets a CA without a name issue lets every CA: most domains have no such records, and the CA need not be asked for its name.
    const forAnyone = await checkCaa(name, { issuers: [], ...question });
    if (forAnyone.verdict !== 'forbidden') return classifyControl({ ...facts, caa: forAnyone });
    const issuer = await issuerOf(directory);
    if (!issuer) return { state: 'unknown', why: 'the CA cannot be asked for its name in CAA records' };
    if (issuer.issuers.length === 0) return first;
    const caa = await checkCaa(name, { ...issuer, ...question });
    return classifyControl({ ...facts, caa });
  }

  return {
    async at({ names, challengeType = 'dns-01' }, directory) {
      const asked = names.filter((name) => !isAddress(name) && resolversFor(config, name));
      if (config.quarantine === false || asked.length === 0) return { state: 'ours' };
      const look = AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]);
      try {
        const viewOf = createViews();
        const found = await Promise.all(
          asked.map(async (name) => ({
            name,
            control: await controlOf(name, { challengeType, directory, viewOf, look }),
          })),
        );
        return judge(found);
      } catch (error) {
        signal.throwIfAborted();
        context.logger.info('DNS could not be asked about names', { names, why: String(error) });
        return { state: 'unknown' };
      }
    },
  };
}

/**
 * Looks at DNS before the first order for names. Rejects `CERTBUS_MANAGER_NAMES_LOST` where an answer shows that the CA cannot issue for one of
 * them, and with the signal's reason.
 */
export async function checkControl(
  context: Context,
  { directory, ...subject }: Pick<ManagedCertificate, 'names' | 'challengeType'> & { readonly directory: string },
  { config, signal }: { readonly config: Configuration; readonly signal: AbortSignal },
): Promise<void> {
  const look = await createControlLook(context, config, signal).at(subject, directory);
  if (look.state !== 'lost') return;
  const { names, detail } = look.found;
  const what = `No order was made for ${subject.names.join(', ')}, since the CA would refuse ${names.join(', ')}: ${detail}. Nothing was asked of the CA. Change that in DNS, and run this again; a resolver can remember for some minutes that a name did not exist. Where the resolvers of the configuration do not see what the CA sees, "certbus cert mk --ignore-dns" orders all the same; renewals look in the same way, unless the configuration has "quarantine": false.`;
  throw new ManagerError('CERTBUS_MANAGER_NAMES_LOST', what);
}
