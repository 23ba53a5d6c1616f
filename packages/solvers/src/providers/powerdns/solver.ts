/** Answers dns-01 in a PowerDNS Authoritative Server. */
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
import type { DnsOptions } from '../../dns/options.ts';
import { remembering } from '../../dns/remember.ts';
import { sleep } from '../../dns/sleep.ts';
import { createDnsSolver, type DnsHost, type ZoneValues } from '../../dns/solver.ts';
import { MAX_VALUES, tooManyValues } from '../../dns/visible.ts';
import { namesUpwards } from '../../dns/zone-of.ts';
import { hasValue, parseTxtSets, replacement, type TxtSet, withAdded, withRemoved } from './record-sets.ts';
import type { PowerDnsSettings } from './settings.ts';

/** Where the API of a PowerDNS Authoritative Server is. */
export interface PowerDnsOptions extends DnsOptions, NetworkOptions {
  /** Address of its web server, such as `https://ns1.example.com:8081`. */
  readonly url: string;
  readonly apiKey: string;
  /** The server's id in the API. Default `localhost`, the only one that PowerDNS itself has. */
  readonly serverId?: string | undefined;
}

const TTL_S = 30;
/** From so many names on, reading the whole zone is less work. */
const MANY = 20;
const MAX_TRIES = 8;
/** Who read before we wrote has written by then. */
const READ_AGAIN_MS = 50;

/** What a set should become; `undefined` where it is so already. */
type Edit = (
  set: TxtSet | undefined,
  wanted: { readonly name: string; readonly values: readonly string[] },
) => TxtSet | undefined;

const add: Edit = (set, { name, values }) => {
  if (values.every((value) => hasValue(set, value))) return undefined;
  const next = withAdded(set, name, values, TTL_S);
  if (next.records.length > MAX_VALUES) throw tooManyValues(name, next.records.length);
  return next;
};

const remove: Edit = (set, { values }) => {
  const next = set && withRemoved(set, values);
  return next?.records.length === set?.records.length ? undefined : next;
};

const pathOf = (zone: string): string => `/zones/${encodeURIComponent(`${zone}.`)}`;

/** Judges what is neither success nor, where that may be, absence. */
function check(api: HttpApi, attempt: string, answer: ApiAnswer): ApiAnswer {
  const { status, said } = answer;
  if (status < 300 || status === 404) return answer;
  if (status === 401 || status === 403) {
    const why = `it refuses the API key (HTTP ${status}). Correct "apiKey", and see webserver-allow-from.`;
    throw apiFailure(api, attempt, why);
  }
  throw apiFailure(api, attempt, `it answers with HTTP ${status}: ${said || 'nothing more'}. See its log.`);
}

async function readZone(
  api: HttpApi,
  { zone, attempt, query }: { readonly zone: string; readonly attempt: string; readonly query: string },
  signal: AbortSignal,
): Promise<unknown> {
  const request: ApiRequest = { attempt, method: 'GET', path: `${pathOf(zone)}${query}`, signal };
  const { status, json } = check(api, attempt, await callApi(api, request));
  if (status !== 404) return json;
  throw new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', `${attempt}: ${api.title} has no zone ${zone} any more.`);
}

/** Sets by name: of a few names one by one, of many out of the whole zone. */
async function readSets(
  api: HttpApi,
  { zone, names }: { readonly zone: string; readonly names: readonly string[] },
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TxtSet | undefined>> {
  if (names.length > MANY) {
    const whole = await readZone(api, { zone, attempt: `Reading the zone ${zone}`, query: '' }, signal);
    return parseTxtSets(whole, names);
  }
  const sets = await mapFew(names, async (name) => {
    const query = `?rrset_name=${encodeURIComponent(`${name}.`)}&rrset_type=TXT&include_disabled=true`;
    const found = await readZone(api, { zone, attempt: `Reading the TXT records of ${name}`, query }, signal);
    return [name, parseTxtSets(found, [name]).get(name)] as const;
  });
  return new Map(sets);
}

/** Writes sets; what came of it is to be read, also where it failed: databases refuse two writers at once. */
async function write(
  api: HttpApi,
  { zone, sets }: { readonly zone: string; readonly sets: readonly TxtSet[] },
  signal: AbortSignal,
): Promise<AcmeError | undefined> {
  const names = sets.slice(0, 3).map(({ name }) => name);
  const attempt = `Changing the TXT records of ${names.join(', ')}`;
  const body = { rrsets: sets.map(replacement) };
  // Sent again after its time it would undo what others wrote meanwhile.
  const request: ApiRequest = { attempt, method: 'PATCH', path: pathOf(zone), body, isRepeatable: false, signal };
  const answer = await callApi(api, request);
  if (answer.status >= 500) return apiFailure(api, attempt, `it answers with HTTP ${answer.status}. See its log.`);
  check(api, attempt, answer);
  return undefined;
}

/** Reads, changes what is not as it should be, and reads again until everything is. */
async function change(
  api: HttpApi,
  { values: { zone, sets }, edit }: { readonly values: ZoneValues; readonly edit: Edit },
  signal: AbortSignal,
): Promise<void> {
  let open = sets;
  let failure: AcmeError | undefined;
  for (let tries = 1; ; tries += 1) {
    const found = await readSets(api, { zone, names: open.map(({ name }) => name) }, signal);
    const plans = open.map((wanted) => ({ wanted, next: edit(found.get(wanted.name), wanted) }));
    const changes = plans.map(({ next }) => next).filter((next) => next !== undefined);
    if (changes.length === 0) return;
    if (tries > MAX_TRIES) {
      const why = `another program keeps writing over it (${MAX_TRIES} times by now). Find out which, and let one of them write there.`;
      throw failure ?? apiFailure(api, `Changing the TXT records of ${changes[0]?.name}`, why);
    }
    failure = await write(api, { zone, sets: changes }, signal);
    open = plans.filter(({ next }) => next).map(({ wanted }) => wanted);
    await sleep(READ_AGAIN_MS * tries * (0.5 + Math.random()), signal);
  }
}

/** Finds the zones of names, for one operation. */
function findZones(api: HttpApi, signal: AbortSignal): (name: string) => Promise<string> {
  const isThere = remembering(async (zone) => {
    const attempt = `Looking for the zone ${zone}`;
    const request: ApiRequest = { attempt, method: 'GET', path: `${pathOf(zone)}?rrsets=false`, signal };
    return check(api, attempt, await callApi(api, request)).status !== 404;
  });
  return async (name) => {
    for (const zone of namesUpwards(name)) if (await isThere(zone)) return zone;
    const message = `${api.title} has no zone for ${name}. Create it there, or correct "zones".`;
    throw new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', message);
  };
}

/**
 * Answers dns-01 with TXT records in a PowerDNS Authoritative Server, by its HTTP API. The API writes whole record sets and knows no
 * condition: inside a process changes are made one after another; against other programs each is read again after it was
 * written, and made again where it got lost, also while `ready` waits. A value that another program adds between our
 * reading and writing is lost unless that program looks too, as every CertBus manager does. PowerDNS before 4.9 does not tell of
 * disabled records, so those at a challenge's name are lost. Operations reject with
 * `CERTBUS_ACME_ZONE_NOT_FOUND` or `CERTBUS_ACME_SOLVER_FAILED`.
 */
export function createPowerDnsSolver(options: PowerDnsOptions): Solver {
  const { url, apiKey, serverId = 'localhost', outgoing, roots, ...dns } = options;
  const { origin } = parseApiUrl(url);
  const api: HttpApi = {
    title: `PowerDNS (${origin})`,
    url: `${url.replace(/\/$/, '')}/api/v1/servers/${encodeURIComponent(serverId)}`,
    headers: { 'x-api-key': apiKey },
    secrets: [apiKey],
    network: { outgoing, roots },
  };
  const host: DnsHost = {
    id: `powerdns ${api.url}`,
    findZones: ({ signal }) => findZones(api, signal),
    add: (values, { signal }) => change(api, { values, edit: add }, signal),
    remove: (values, { signal }) => change(api, { values, edit: remove }, signal),
    isRacy: true,
  };
  return createDnsSolver(host, dns);
}

/** The solver of settings in the configuration. Throws where a secret is not set. */
export function createFromSettings(settings: PowerDnsSettings, { resolveSecret, outgoing }: Surroundings): Solver {
  return createPowerDnsSolver({ ...settings, outgoing, apiKey: resolveSecret(settings.apiKey) });
}
