/** Verifies standing records for dns-persist-01, and prints what to set. */
import type { PersistentGrant, PresentedChallenge, Solver } from '@certbus/acme';
import { AcmeError, RecordMissingError } from '@certbus/acme';
import { mapFew, readGrant, recordFor } from '@certbus/acme/solver-kit';
import { realClock } from '../clock.ts';
import { watchWait } from '../watch.ts';
import { effectiveName } from './effective-name.ts';
import { canonical, type Lookups, openLookups, rememberLookups } from './lookups.ts';
import { type Asking, beginAsking, leftOut, type NameServer, serversToAsk, silenceOf } from './name-servers.ts';
import type { DnsOptions } from './options.ts';
import { zoneInDns } from './zone-of.ts';

/** How to look at standing records. */
export interface DnsPersist01Options extends DnsOptions {
  /** Told of a record that ends within {@link warnWithinDays}, in words for people. */
  readonly warn?: ((message: string) => void) | undefined;
  /** Default 100: longer than any public certificate is left to its renewal. */
  readonly warnWithinDays?: number | undefined;
  /** Default: the system's clock. */
  readonly now?: (() => Date) | undefined;
}

/** One record that must stand, for all challenges of a name. */
interface Wanted {
  readonly dnsName: string;
  readonly grant: PersistentGrant;
}

/** What was found of it. */
interface Found {
  readonly wanted: Wanted;
  /** Why not every server allows it; `undefined` where all do. */
  readonly lack: string | undefined;
  /** Whether some server does: then the others may yet. */
  readonly isSpreading: boolean;
  readonly until: Date | undefined;
}

/** What the looks of one wait have. */
interface Looking {
  readonly lookups: Lookups;
  readonly asking: Asking;
}

const LOOK_AGAIN_MS = 2000;
const VISIBLE_WITHIN_MS = 60_000;
const DAY_MS = 86_400_000;
const MAX_CHUNK = 255;

/** A wildcard and its name share one record, which allows both. */
function wantedOf(challenges: readonly PresentedChallenge[]): Wanted[] {
  const byName = Map.groupBy(challenges, ({ dnsName }) => canonical(dnsName));
  return [...byName].flatMap(([dnsName, group]) => {
    const grants = group.flatMap(({ grant }) => grant ?? []);
    const [grant] = grants;
    return grant ? [{ dnsName, grant: { ...grant, isWildcard: grants.some(({ isWildcard }) => isWildcard) } }] : [];
  });
}

/** A record as zone files have it; texts of more than 255 bytes stand in several. */
function zoneLine({ dnsName, grant }: Wanted): string {
  const chunks = recordFor(grant).match(new RegExp(`.{1,${MAX_CHUNK}}`, 'g')) ?? [];
  return `${dnsName}. 3600 IN TXT ${chunks.map((chunk) => `"${chunk}"`).join(' ')}`;
}

function missing(lacking: readonly Found[]): RecordMissingError {
  const why = lacking.map(({ wanted, lack }) => `${wanted.dnsName}: ${lack}`).join('; ');
  const attempt = `DNS does not allow this by dns-persist-01 (${why})`;
  return new RecordMissingError(
    attempt,
    lacking.map(({ wanted }) => zoneLine(wanted)),
  );
}

/**
 * Answers dns-persist-01 by records that stand in DNS for good (draft-ietf-acme-dns-persist-01): it writes nothing, and is ready when
 * every authoritative server shows a record that allows this CA and account what is asked. `ready` rejects with
 * `CERTBUS_ACME_RECORD_MISSING`, whose message has the records to set, at once where no server shows one, and after a minute
 * (`visibleWithinMs`) where some still do not; with `CERTBUS_ACME_ZONE_NOT_FOUND` or `CERTBUS_ACME_SOLVER_FAILED` where DNS
 * does not answer. With `nameServers: false` nothing is looked at.
 */
export function createDnsPersist01Solver(options: DnsPersist01Options = {}): Solver {
  const { resolver, nameServers, nameServerPort, visibleWithinMs = VISIBLE_WITHIN_MS } = options;
  const { warn = () => {}, warnWithinDays = 100, now = () => new Date(), clock = realClock } = options;

  async function serversFor(dnsName: string, lookups: Lookups): Promise<readonly NameServer[]> {
    const servers = await serversToAsk(() => zoneInDns(dnsName, lookups), { nameServers, nameServerPort }, lookups);
    if (servers.length > 0) return servers;
    throw new AcmeError(
      'CERTBUS_ACME_SOLVER_FAILED',
      `The zone of ${dnsName} has no name server in DNS. Check its delegation.`,
    );
  }

  /** Servers of the place that a name leads to. Where only a wildcard leads there, nobody has set a record, and nobody need serve it. */
  async function findServers(dnsName: string, lookups: Lookups) {
    const own = await effectiveName(dnsName, lookups);
    const { name } = await effectiveName(dnsName, lookups, { followWildcards: true });
    try {
      return { name, servers: await serversFor(name, lookups) };
    } catch (error) {
      if (!(error instanceof AcmeError) || own.name === name) throw error;
      return { name: own.name, servers: await serversFor(own.name, lookups) };
    }
  }

  async function look(wanted: Wanted, { lookups, asking }: Looking): Promise<Found> {
    const { name, servers } = await findServers(wanted.dnsName, lookups);
    const answers = asking.counting(await mapFew(servers, (server) => asking.ask(server, name)));
    const shown = answers.map(({ server, values, trouble }) => {
      const verdict = trouble === undefined ? readGrant(values, wanted.grant, now()) : silenceOf(trouble);
      return { server: server.title, trouble, verdict };
    });
    const [first] = shown;
    if (first && shown.every(({ trouble }) => trouble !== undefined)) {
      const message = `No name server of ${name} answers (${first.server} ${first.verdict}). Check the zone and the network.`;
      throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
    }
    const allowing = shown.flatMap(({ verdict }) => (typeof verdict === 'string' ? [] : [verdict]));
    const lacking = shown.find(({ verdict }) => typeof verdict === 'string');
    const lack = lacking && (allowing.length > 0 ? `${lacking.verdict}, at ${lacking.server}` : `${lacking.verdict}`);
    return { wanted, lack, isSpreading: allowing.length > 0, until: allowing[0]?.until };
  }

  function warnOf({ wanted, until }: Found): void {
    if (!until || until.getTime() - now().getTime() > warnWithinDays * DAY_MS) return;
    warn(`The record ${wanted.dnsName} ends on ${until.toISOString()} (persistUntil): set a later one before.`);
  }

  return {
    challenges: ['dns-persist-01'],
    async present() {},
    async ready(challenges, { signal, onWaiting, onWarning = warn }) {
      if (nameServers === false) return;
      const deadline = clock.now().getTime() + visibleWithinMs;
      const watch = watchWait(new Date(deadline), { onWaiting });
      const { txt } = openLookups({ servers: resolver, signal });
      const onSilent = (server: NameServer, trouble: string) => onWarning(leftOut(server, trouble));
      const asking = beginAsking({ lookups: { txt }, clock, withinMs: visibleWithinMs, onSilent });
      for (let rest = wantedOf(challenges); ; ) {
        const lookups = rememberLookups(openLookups({ servers: resolver, signal }));
        const found = await mapFew(rest, (wanted) => look(wanted, { lookups, asking }));
        for (const each of found) if (each.lack === undefined) warnOf(each);
        const lacking = found.filter(({ lack }) => lack !== undefined);
        if (lacking.length === 0) return;
        const isHopeless = lacking.some(({ isSpreading }) => !isSpreading);
        if (isHopeless || clock.now().getTime() + LOOK_AGAIN_MS > deadline) throw missing(lacking);
        for (const { wanted, lack } of found) watch(wanted.dnsName, lack && `${wanted.dnsName}: ${lack}`);
        rest = lacking.map(({ wanted }) => wanted);
        await clock.sleep(LOOK_AGAIN_MS, { signal });
        asking.lookAgain();
      }
    },
    async cleanUp() {},
  };
}
