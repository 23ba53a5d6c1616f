/** Answers dns-01 by an acme-dns. */
import type { Solver } from '@certbus/acme';
import { AcmeError } from '@certbus/acme';
import { isRecord } from '@certbus/acme/solver-kit';
import type { Surroundings } from '../../definition/provider.ts';
import { parseApiUrl } from '../../dns/api-url.ts';
import { apiFailure, callApi, type HttpApi, type NetworkOptions } from '../../dns/http-api.ts';
import { canonical } from '../../dns/lookups.ts';
import { serversToAsk } from '../../dns/name-servers.ts';
import type { DnsOptions } from '../../dns/options.ts';
import { createDnsSolver, type HostOptions, type ZoneValues } from '../../dns/solver.ts';
import { zoneInDns } from '../../dns/zone-of.ts';
import type { AcmeDnsSettings } from './settings.ts';

/** What acme-dns gives out at registration: the right to one subdomain. */
export interface AcmeDnsAccount {
  /** Where `_acme-challenge` names point to by CNAME. */
  readonly fulldomain: string;
  readonly subdomain: string;
  readonly username: string;
  readonly password: string;
}

/** Which acme-dns, and which of its subdomains. */
export interface AcmeDnsOptions extends DnsOptions, NetworkOptions {
  /** Address of its API, such as `https://auth.example.com`. */
  readonly url: string;
  /** One for each name, or for several names that are never proven at the same time. */
  readonly accounts: readonly AcmeDnsAccount[];
}

/** "Rolling update of two TXT records": the third pushes the first out. */
const KEPT_VALUES = 2;

function apiOf(url: string, network: NetworkOptions, account?: AcmeDnsAccount): HttpApi {
  const title = `acme-dns (${parseApiUrl(url).origin})`;
  if (!account) return { title, url, headers: {}, secrets: [], network };
  const { username, password } = account;
  const headers = { 'x-api-user': username, 'x-api-key': password };
  return { title, url, headers, secrets: [username, password], network };
}

/**
 * Registers a subdomain at an acme-dns. `allowFrom` are the networks, in CIDR notation, that may change it; default: all. Rejects
 * with `CERTBUS_ACME_SOLVER_FAILED`.
 */
export async function registerAcmeDnsAccount({
  url,
  allowFrom = [],
  signal,
  ...network
}: NetworkOptions & {
  readonly url: string;
  readonly allowFrom?: readonly string[];
  readonly signal: AbortSignal;
}): Promise<AcmeDnsAccount> {
  const [api, attempt] = [apiOf(url, network), 'Registering a subdomain'];
  const body = { allowfrom: allowFrom };
  // A registration whose answer got lost is not harmful, only useless.
  const { status, json, said } = await callApi(api, { attempt, method: 'POST', path: '/register', body, signal });
  const { fulldomain, subdomain, username, password } = isRecord(json) ? json : {};
  const texts = [fulldomain, subdomain, username, password];
  if (status !== 201 || !texts.every((text) => typeof text === 'string')) {
    const why =
      status === 201 ? 'it answers with something else than an account' : `it answers with HTTP ${status}: ${said}`;
    throw apiFailure(api, attempt, `${why}. Check its address, and disable_registration in its configuration.`);
  }
  return {
    fulldomain: String(fulldomain),
    subdomain: String(subdomain),
    username: String(username),
    password: String(password),
  };
}

/** The record to set, once, in the zone of a name, so that an account answers for it; as a line of a zone file. */
export function acmeDnsRecord(name: string, { fulldomain }: Pick<AcmeDnsAccount, 'fulldomain'>): string {
  return `_acme-challenge.${canonical(name).replace(/^\*\./, '')}. IN CNAME ${canonical(fulldomain)}.`;
}

/**
 * Answers dns-01 by an acme-dns (github.com/joohoi/acme-dns), to which names point by CNAME. By its documentation acme-dns keeps the two
 * last values of a subdomain and deletes none: two orders at once under one account push each other's values out, and
 * clean-up does nothing. Operations reject with `CERTBUS_ACME_ZONE_NOT_FOUND`, where a name points to none of the accounts, or
 * `CERTBUS_ACME_SOLVER_FAILED`.
 */
export function createAcmeDnsSolver({ url, accounts, outgoing, roots, ...dns }: AcmeDnsOptions): Solver {
  const network = { outgoing, roots };
  const accountOf = new Map(accounts.map((account) => [canonical(account.fulldomain), account]));
  const { title } = apiOf(url, network);

  async function update(account: AcmeDnsAccount, txt: string, signal: AbortSignal): Promise<void> {
    const [api, attempt] = [apiOf(url, network, account), `Updating ${account.fulldomain}`];
    const body = { subdomain: account.subdomain, txt };
    const { status, said } = await callApi(api, { attempt, method: 'POST', path: '/update', body, signal });
    if (status === 200) return;
    if (status === 401) {
      const why =
        'it refuses the account (HTTP 401). Correct username, password and subdomain; this machine must be among its allowfrom networks.';
      throw apiFailure(api, attempt, why);
    }
    throw apiFailure(api, attempt, `it answers with HTTP ${status}: ${said || 'nothing more'}.`);
  }

  /** Values that every server that answers shows already: to write them again could push another one out. */
  async function shownAt(zone: string, name: string, lookups: HostOptions['lookups']): Promise<readonly string[]> {
    const servers = await serversToAsk(async () => zone, dns, lookups);
    const shown = await Promise.all(servers.flatMap(({ address }) => (address ? [lookups.txt(name, address)] : [])));
    const answers = shown.filter(({ trouble }) => trouble === undefined);
    return (answers[0]?.values ?? []).filter((value) => answers.every(({ values }) => values.includes(value)));
  }

  async function add({ zone, sets }: ZoneValues, { lookups, signal }: HostOptions): Promise<void> {
    for (const { name, values } of sets) {
      const account = accountOf.get(name);
      if (!account) continue;
      if (values.length > KEPT_VALUES) {
        const message = `${name} would need ${values.length} values, of which ${title} keeps ${KEPT_VALUES}. Let fewer names point to it: register one account for each.`;
        throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
      }
      const shown = dns.nameServers === false ? [] : await shownAt(zone, name, lookups);
      for (const value of values) if (!shown.includes(value)) await update(account, value, signal);
    }
  }

  return createDnsSolver(
    {
      id: `acme-dns ${url}`,
      findZones:
        ({ lookups }) =>
        async (name) => {
          // The zone is needed only for the name servers to ask.
          if (accountOf.has(name)) return dns.nameServers === false ? name : zoneInDns(name, lookups);
          const message = `${name} is not the fulldomain of an account at ${title}. Point its CNAME to one: registerAcmeDnsAccount makes accounts, acmeDnsRecord returns the record.`;
          throw new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', message);
        },
      add,
      async remove() {},
    },
    dns,
  );
}

/** The solver of settings in the configuration. Throws where a secret is not set. */
export function createFromSettings(settings: AcmeDnsSettings, { resolveSecret, outgoing }: Surroundings): Solver {
  const accounts = settings.accounts.map((account) => ({ ...account, password: resolveSecret(account.password) }));
  return createAcmeDnsSolver({ ...settings, outgoing, accounts });
}
