import { setTimeout as wait } from 'node:timers/promises';
import { Route53Client } from '@aws-sdk/client-route-53';
import type { PresentedChallenge, Solver } from '../../solver.ts';
import { withoutValues, withValues } from '../../txt-values.ts';
import type { Sleep } from './route53/call.ts';
import { awaitInSync, changeValues, type RecordOptions } from './route53/records.ts';
import { awaitVisible } from './route53/visible.ts';
import { createFindZone } from './route53/zones.ts';

/** Which zones of Route 53 to write to, and as whom. */
export interface Route53Options {
  /** The hosted zone for all names. Default: the public one with the longest fitting name. */
  readonly zoneId?: string | undefined;
  /** Names under which zones may be chosen; `*` for all. Default `['*']`. */
  readonly zones?: readonly string[] | undefined;
  /** Region that requests are signed for. Default `us-east-1`, where Route 53 lives. */
  readonly region?: string | undefined;
  /** Another address than Amazon's, for tests. */
  readonly endpoint?: string | undefined;
  /** Default: what the AWS SDK finds (environment, profile, role). */
  readonly credentials?:
    | {
        readonly accessKeyId: string;
        readonly secretAccessKey: string;
        readonly sessionToken?: string;
      }
    | undefined;
  /** A client to use instead of one made from the options above. */
  readonly client?: Route53Client | undefined;
  /** DNS servers (`ip:port`) that must show the values. Default: all authoritative ones; `false`: INSYNC is enough. */
  readonly resolver?: readonly string[] | false | undefined;
  /** Default: the system's clock. */
  readonly now?: () => Date;
  /** Default: a timer. */
  readonly sleep?: Sleep;
}

const sleepFor: Sleep = async (ms, { signal }) => {
  try {
    await wait(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
};

function createClient({ region = 'us-east-1', endpoint, credentials }: Route53Options): Route53Client {
  return new Route53Client({
    region,
    ...(endpoint ? { endpoint } : {}),
    ...(credentials ? { credentials } : {}),
    // Tries are counted here, where a signal can end them.
    maxAttempts: 1,
    requestHandler: { connectionTimeout: 10_000, requestTimeout: 30_000 },
  });
}

function valuesByName(challenges: readonly PresentedChallenge[]): Map<string, string[]> {
  const byName = Map.groupBy(challenges, ({ dnsName }) => dnsName);
  return new Map([...byName].map(([name, group]) => [name, group.map(({ dnsValue }) => dnsValue)]));
}

/**
 * Answers dns-01 with TXT records in Route 53. All names of a zone change in one batch, by compare-and-swap, so values of others survive,
 * also those of another manager at the same moment. Operations reject with `CERTBUS_ACME_ZONE_NOT_FOUND` or
 * `CERTBUS_ACME_SOLVER_FAILED`; throttling and a busy zone are waited for.
 */
export function createRoute53Solver(options: Route53Options = {}): Solver {
  const { zoneId, zones = ['*'], resolver, now = () => new Date(), sleep = sleepFor } = options;
  const client = options.client ?? createClient(options);
  const records: RecordOptions = { client, sleep };
  const findZone = createFindZone({ client, zoneId, zones, sleep, now });
  const changeOf = new WeakMap<PresentedChallenge, string>();

  async function byZone(challenges: readonly PresentedChallenge[], signal: AbortSignal) {
    const groups = new Map<string, PresentedChallenge[]>();
    for (const challenge of challenges) {
      const zone = await findZone(challenge.dnsName, signal);
      groups.set(zone, [...(groups.get(zone) ?? []), challenge]);
    }
    return groups;
  }

  return {
    challenges: ['dns-01'],
    async present(challenges, { signal }) {
      for (const [zone, group] of await byZone(challenges, signal)) {
        const change = { zoneId: zone, ours: valuesByName(group), edit: withValues, always: true };
        const id = await changeValues(records, change, signal);
        if (id) for (const challenge of group) changeOf.set(challenge, id);
      }
    },
    async ready(challenges, { signal }) {
      const ids = new Set(challenges.map((challenge) => changeOf.get(challenge)).filter((id) => id !== undefined));
      for (const id of ids) await awaitInSync(records, id, signal);
      if (resolver === false) return;
      for (const challenge of challenges) await awaitVisible(challenge, { servers: resolver, sleep, signal });
    },
    async cleanUp(challenges, { signal }) {
      for (const [zone, group] of await byZone(challenges, signal)) {
        const change = { zoneId: zone, ours: valuesByName(group), edit: withoutValues, always: false };
        await changeValues(records, change, signal);
      }
    },
  };
}
