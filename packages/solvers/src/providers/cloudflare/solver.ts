/** Answers dns-01 at Cloudflare. */
import type { Solver } from '@certbus/acme';
import { AcmeError } from '@certbus/acme';
import { mapFew } from '@certbus/acme/solver-kit';
import type { Surroundings } from '../../definition/provider.ts';
import { parseApiUrl } from '../../dns/api-url.ts';
import {
  type ApiAnswer,
  type ApiRequest,
  apiFailure,
  callApi,
  type HttpApi,
  type NetworkOptions,
} from '../../dns/http-api.ts';
import { canonical, type Lookups } from '../../dns/lookups.ts';
import type { DnsOptions } from '../../dns/options.ts';
import { remembering } from '../../dns/remember.ts';
import { createDnsSolver, type DnsHost, type ZoneValues } from '../../dns/solver.ts';
import { namesUpwards, zoneInDns } from '../../dns/zone-of.ts';
import { type CloudflareRecord, errorCodes, errorTexts, isValue, pagesIn, parseRecords, resultsIn } from './answer.ts';
import type { CloudflareSettings } from './settings.ts';

/** As whom zones at Cloudflare are changed. */
export interface CloudflareOptions extends DnsOptions, NetworkOptions {
  /** An API token with Zone:Read and DNS:Edit for the zones; not the global API key. */
  readonly token: string;
  /** Another address than Cloudflare's, for tests. */
  readonly url?: string | undefined;
}

/** The least that zones of every plan may have. */
const TTL_S = 60;
/** From so many names on, listing all TXT records of a zone is less work: 1,200 calls in five minutes are the limit. */
const MANY = 10;
const PAGE = 1000;
/** Cloudflare blocks for five minutes. */
const LONGEST_WAIT_MS = 300_000;
const ALREADY_THERE = [81_057, 81_058];
const NOT_THERE = 81_044;
/** Bad request headers: a token that is none. */
const MALFORMED_TOKEN = 6003;

/** Makes a call; errors with one of `accepted` numbers are no failures. */
async function call(api: HttpApi, request: ApiRequest, accepted: readonly number[] = []): Promise<ApiAnswer> {
  const answer = await callApi(api, request);
  const { status, json, said } = answer;
  const codes = errorCodes(json);
  if (status < 300 || codes.some((code) => accepted.includes(code))) return answer;
  if (status === 401 || status === 403 || codes.includes(MALFORMED_TOKEN)) {
    const why = `it refuses the token (HTTP ${status}). Make one with Zone:Read and DNS:Edit for these zones, and correct "token".`;
    throw apiFailure(api, request.attempt, why);
  }
  const texts = api.secrets.reduce((text, token) => text.replaceAll(token, '…'), errorTexts(json));
  throw apiFailure(api, request.attempt, `it answers with HTTP ${status}: ${texts || said || 'nothing more'}.`);
}

/**
 * The zone above one that DNS shows and Cloudflare does not have, where the same servers serve both: then DNS made up the lower one, for
 * Cloudflare would have it. `undefined` where other servers serve it, so that it is delegated elsewhere.
 */
async function zoneBehind(
  zone: string,
  { idOf, lookups }: { readonly idOf: (zone: string) => Promise<string | undefined>; readonly lookups: Lookups },
): Promise<string | undefined> {
  const serversAt = async (name: string) => (await lookups.nameServers(name)).map(canonical).toSorted().join();
  for (const above of namesUpwards(zone).slice(1)) {
    if ((await idOf(above)) === undefined) continue;
    return (await serversAt(above)) === (await serversAt(zone)) ? above : undefined;
  }
  return undefined;
}

/** The zone of a name in DNS, or else the nearest one that Cloudflare lists: DNS can make up so much that nothing of it counts. */
async function dnsOrList(
  name: string,
  { idOf, lookups }: { readonly idOf: (zone: string) => Promise<string | undefined>; readonly lookups: Lookups },
): Promise<string> {
  try {
    return await zoneInDns(name, lookups);
  } catch (error) {
    if (!(error instanceof AcmeError) || error.code !== 'CERTBUS_ACME_ZONE_NOT_FOUND') throw error;
    for (const zone of namesUpwards(name)) if ((await idOf(zone)) !== undefined) return zone;
    throw error;
  }
}

/** Finds the ids of zones, for one operation; `undefined` where the token can see no such zone. */
function findZoneIds(api: HttpApi, signal: AbortSignal): (zone: string) => Promise<string | undefined> {
  return remembering(async (zone) => {
    const path = `/zones?name=${encodeURIComponent(zone)}`;
    const { json } = await call(api, { attempt: `Looking for the zone ${zone}`, method: 'GET', path, signal });
    const id = resultsIn(json).find(({ name }) => name === zone)?.['id'];
    return typeof id === 'string' ? id : undefined;
  });
}

function zoneNotSeen({ title }: HttpApi, zone: string, name: string | undefined): AcmeError {
  const message = `${title} has no zone ${zone}, for ${name}, that the token can see. Add the zone there, or give the token access to it.`;
  return new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', message);
}

async function zoneIdOf(api: HttpApi, { zone, sets }: ZoneValues, signal: AbortSignal): Promise<string> {
  const id = await findZoneIds(api, signal)(zone);
  if (id !== undefined) return id;
  throw zoneNotSeen(api, zone, sets[0]?.name);
}

/** The TXT records of a name in a zone; of the whole zone where `name` is `undefined`. */
async function listRecords(
  api: HttpApi,
  { zoneId, name }: { readonly zoneId: string; readonly name?: string },
  signal: AbortSignal,
): Promise<CloudflareRecord[]> {
  const attempt = name ? `Listing the TXT records of ${name}` : 'Listing the TXT records of a zone';
  const filter = name ? `&name.exact=${encodeURIComponent(name)}` : '';
  const records: CloudflareRecord[] = [];
  for (let page = 1, pages = 1; page <= pages; page += 1) {
    const path = `/zones/${zoneId}/dns_records?type=TXT${filter}&per_page=${PAGE}&page=${page}`;
    const { json } = await call(api, { attempt, method: 'GET', path, signal });
    records.push(...parseRecords(json));
    pages = pagesIn(json);
  }
  return records;
}

async function add(api: HttpApi, zoneValues: ZoneValues, signal: AbortSignal): Promise<void> {
  const zoneId = await zoneIdOf(api, zoneValues, signal);
  const values = zoneValues.sets.flatMap((set) => set.values.map((value) => ({ name: set.name, value })));
  await mapFew(values, async ({ name, value }) => {
    const attempt = `Creating the TXT record ${name}`;
    const body = { type: 'TXT', name, content: `"${value}"`, ttl: TTL_S };
    const path = `/zones/${zoneId}/dns_records`;
    await call(api, { attempt, method: 'POST', path, body, signal }, ALREADY_THERE);
  });
}

async function remove(api: HttpApi, zoneValues: ZoneValues, signal: AbortSignal): Promise<void> {
  const { sets } = zoneValues;
  const zoneId = await zoneIdOf(api, zoneValues, signal);
  const found =
    sets.length > MANY
      ? await listRecords(api, { zoneId }, signal)
      : (await mapFew(sets, ({ name }) => listRecords(api, { zoneId, name }, signal))).flat();
  const wanted = new Map(sets.map(({ name, values }) => [name, values]));
  const ours = found.filter(({ name, content }) => wanted.get(name)?.some((value) => isValue(content, value)));
  await mapFew(ours, async ({ id, name }) => {
    const path = `/zones/${zoneId}/dns_records/${id}`;
    await call(api, { attempt: `Deleting a TXT record of ${name}`, method: 'DELETE', path, signal }, [NOT_THERE]);
  });
}

/**
 * Answers dns-01 with TXT records at Cloudflare. Each value is a record of its own, created and deleted by itself, so values of
 * others survive. Operations reject with `CERTBUS_ACME_ZONE_NOT_FOUND` or `CERTBUS_ACME_SOLVER_FAILED`;
 * while the rate limit is exceeded they wait as Cloudflare says, for five minutes at most.
 */
export function createCloudflareSolver(options: CloudflareOptions): Solver {
  const { token, url = 'https://api.cloudflare.com/client/v4', outgoing, roots, ...dns } = options;
  const api: HttpApi = {
    title: `Cloudflare (${parseApiUrl(url).origin})`,
    url,
    headers: { authorization: `Bearer ${token}` },
    secrets: [token],
    network: { outgoing, roots },
    longestWaitMs: LONGEST_WAIT_MS,
  };
  const host: DnsHost = {
    id: `cloudflare ${url}`,
    findZones({ lookups, signal }) {
      const idOf = findZoneIds(api, signal);
      return async (name) => {
        const zone = await dnsOrList(name, { idOf, lookups });
        if ((await idOf(zone)) !== undefined) return zone;
        const behind = await zoneBehind(zone, { idOf, lookups });
        if (behind === undefined) throw zoneNotSeen(api, zone, name);
        return behind;
      };
    },
    add: (values, { signal }) => add(api, values, signal),
    remove: (values, { signal }) => remove(api, values, signal),
  };
  return createDnsSolver(host, dns);
}

/** The solver of settings in the configuration. Throws where a secret is not set. */
export function createFromSettings(settings: CloudflareSettings, { resolveSecret, outgoing }: Surroundings): Solver {
  return createCloudflareSolver({ ...settings, outgoing, token: resolveSecret(settings.token) });
}
