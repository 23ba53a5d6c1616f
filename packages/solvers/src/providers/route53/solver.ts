/** Answers dns-01 in Route 53. */
import type { PresentedChallenge, ReadyOptions, Solver } from '@certbus/acme';
import type { Surroundings } from '../../definition/provider.ts';
import { type EffectiveName, effectiveName, withWay } from '../../dns/effective-name.ts';
import { canonical, type Lookups, openLookups, rememberLookups } from '../../dns/lookups.ts';
import type { DnsOptions } from '../../dns/options.ts';
import { awaitVisible } from '../../dns/visible.ts';
import { zoneInDns } from '../../dns/zone-of.ts';
import { type Account, type AccountOptions, openAccount } from './account.ts';
import { IN_SYNC_WITHIN_MS } from './in-sync.ts';
import type { Edit } from './plan.ts';
import type { Submitted } from './queued-edit.ts';
import type { Route53Settings } from './settings.ts';

/**
 * Which zones of Route 53 to write to, as whom, and how fast. Solvers with the same credentials share batches and rates, unless they
 * have a `client`, `now`, `sleep` or `random` of their own.
 */
export interface Route53Options extends AccountOptions, DnsOptions {
  /** The hosted zone for all names. Default: the public one with the longest fitting name. */
  readonly zoneId?: string | undefined;
  /** Names under which zones may be chosen; `*` for all. Does not bind names that a CNAME leads to. Default `['*']`. */
  readonly zones?: readonly string[] | undefined;
}

/** Where a challenge's value belongs. */
interface Place {
  readonly zoneId: string;
  readonly name: string;
  readonly found: EffectiveName;
}

interface PlacedEdit {
  readonly challenge: PresentedChallenge;
  readonly zoneId: string;
  readonly edit: Edit;
}

const keyOf = ({ dnsName, dnsValue }: PresentedChallenge): string => `${dnsName} ${dnsValue}`;

/** One solver, with what it has placed and changed. */
interface Session {
  readonly options: Route53Options;
  readonly account: Account;
  readonly placeOf: WeakMap<PresentedChallenge, Place>;
  readonly changeOf: WeakMap<PresentedChallenge, Submitted>;
}

/** Lookups of one operation; those of a thousand jobs at once would be more than resolvers and routers take. */
function look({ account, options }: Session, signal: AbortSignal): Lookups {
  const { cname, isApex, nameServers, addresses, txt } = openLookups({ servers: options.resolver, signal });
  const pass = <T>(run: () => Promise<T>) => account.dnsTurnstile.pass(run, signal);
  return rememberLookups({
    cname: (name) => pass(() => cname(name)),
    isApex: (name) => pass(() => isApex(name)),
    nameServers: (zone) => pass(() => nameServers(zone)),
    addresses: (host) => pass(() => addresses(host)),
    txt: (name, server) => pass(() => txt(name, server)),
  });
}

async function findPlace(
  { account, options: { zoneId, zones = ['*'], followAliases } }: Session,
  challenge: PresentedChallenge,
  { lookups, signal }: { readonly lookups: Lookups; readonly signal: AbortSignal },
): Promise<Place> {
  const dnsName = canonical(challenge.dnsName);
  const found = await effectiveName(dnsName, lookups, { followAliases });
  const { name } = found;
  const allowed = name === dnsName ? zones : ['*'];
  const place = await withWay(found, () => account.findZone(name, { zoneId, zones: allowed }, signal));
  return { name, found, zoneId: place };
}

/** Finds the places of challenges and remembers them. Resolves to the first failure, where there was one. */
async function findPlaces(
  session: Session,
  challenges: readonly PresentedChallenge[],
  signal: AbortSignal,
): Promise<PromiseRejectedResult | undefined> {
  const lookups = look(session, signal);
  const find = async (challenge: PresentedChallenge) => {
    session.placeOf.set(challenge, await findPlace(session, challenge, { lookups, signal }));
  };
  const outcomes = await Promise.allSettled(challenges.map(find));
  signal.throwIfAborted();
  return outcomes.find((outcome) => outcome.status === 'rejected');
}

function editsOf(
  { placeOf }: Session,
  challenges: readonly PresentedChallenge[],
  action: Edit['action'],
): PlacedEdit[] {
  return challenges.flatMap((challenge) => {
    const place = placeOf.get(challenge);
    if (!place) return [];
    return [{ challenge, zoneId: place.zoneId, edit: { action, name: place.name, value: challenge.dnsValue } }];
  });
}

/** Makes edits in all their zones at the same time, and remembers the changes that made them. */
async function change(
  { account, changeOf }: Session,
  edits: readonly PlacedEdit[],
  signal: AbortSignal,
): Promise<void> {
  const runs = [...Map.groupBy(edits, ({ zoneId }) => zoneId)].map(async ([zoneId, group]) => {
    const wanted = group.map(({ edit }) => edit);
    const submitted = await account.queueOf(zoneId).change(wanted, signal);
    for (const [at, { challenge }] of group.entries()) {
      const made = submitted[at];
      if (made) changeOf.set(challenge, made);
    }
  });
  const failed = (await Promise.allSettled(runs)).find((run) => run.status === 'rejected');
  if (failed) throw failed.reason;
}

/** Waits until Route 53 has the changes everywhere, and then until its servers show the values. */
async function awaitReady(
  session: Session,
  challenges: readonly PresentedChallenge[],
  { signal, ...watching }: ReadyOptions,
): Promise<void> {
  const { options, account, placeOf, changeOf } = session;
  const changes = new Set(challenges.map((challenge) => changeOf.get(challenge)).filter((made) => made !== undefined));
  for (const made of changes) {
    const until = new Date(made.at.getTime() + IN_SYNC_WITHIN_MS);
    watching.onWaiting?.({ why: 'Route 53 is putting the change on all of its servers', until });
    await account.awaitInSync(made, signal);
  }
  if (options.nameServers === false) return;
  const lookups = look(session, signal);
  const expected = challenges.map(async (challenge) => {
    const dnsName = canonical(challenge.dnsName);
    const found = placeOf.get(challenge)?.found ?? { name: dnsName, path: [dnsName] };
    const zone = options.nameServers ? found.name : await withWay(found, () => zoneInDns(found.name, lookups));
    return { zone, name: found.name, values: [challenge.dnsValue], found };
  });
  await awaitVisible(await Promise.all(expected), options, { lookups, signal, ...watching });
}

/**
 * Answers dns-01 with TXT records in Route 53, at the names that CNAMEs lead to. All jobs of the process that change a zone go into
 * batches, by compare-and-swap, so values of others survive, also those of another manager at the same moment. Operations reject with
 * `CERTBUS_ACME_ZONE_NOT_FOUND` or `CERTBUS_ACME_SOLVER_FAILED`; throttling and a busy zone are waited for.
 */
export function createRoute53Solver(options: Route53Options = {}): Solver {
  const account = openAccount(options);
  const session: Session = { options, account, placeOf: new WeakMap(), changeOf: new WeakMap() };
  return {
    challenges: ['dns-01', 'dns-account-01'],
    async present(challenges, { signal }) {
      const lost = await findPlaces(session, challenges, signal);
      if (lost) throw lost.reason;
      for (const challenge of challenges) account.holders.hold(keyOf(challenge), challenge);
      await change(session, editsOf(session, challenges, 'add'), signal);
    },
    ready: (challenges, options) => awaitReady(session, challenges, options),
    async cleanUp(challenges, { signal }) {
      const unplaced = challenges.filter((challenge) => !session.placeOf.has(challenge));
      const lost = await findPlaces(session, unplaced, signal);
      const free = challenges.filter((challenge) => account.holders.release(keyOf(challenge), challenge));
      await change(session, editsOf(session, free, 'remove'), signal);
      // What could be cleaned up is, whatever became of the rest.
      if (lost) throw lost.reason;
    },
  };
}

/** The solver of settings in the configuration. Throws where a secret is not set. */
export function createFromSettings(
  { accessKeyId, secretAccessKey, ...options }: Route53Settings,
  { resolveSecret, outgoing }: Surroundings,
): Solver {
  const credentials =
    accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey: resolveSecret(secretAccessKey) } : undefined;
  return createRoute53Solver({ ...options, credentials, outgoing });
}
