/** What all jobs of a process share on one AWS account. */
import { Route53Client } from '@aws-sdk/client-route-53';
import { FILES_AGAIN } from '../../aws-again.ts';
import type { Outgoing } from '../../definition/outgoing.ts';
import { parseApiUrl } from '../../dns/api-url.ts';
import { createHolders, type Holders } from '../../dns/holders.ts';
import { sleep as sleepUntil } from '../../dns/sleep.ts';
import { createBudget, type Rate } from './budget.ts';
import type { Caller } from './call.ts';
import { type AwaitInSync, createAwaitInSync } from './in-sync.ts';
import { createTurnstile, type Sleep, type Turnstile } from './waiting.ts';
import { createZoneQueue, type ZoneQueue } from './zone-queue.ts';
import { createFindZone, type FindZone } from './zones.ts';

/** As whom, and how fast, Route 53 is spoken to. */
export interface AccountOptions {
  /** Region that requests are signed for. Default `us-east-1`, where Route 53 lives. */
  readonly region?: string | undefined;
  /** Another address than Amazon's, for tests. */
  readonly endpoint?: string | undefined;
  /** Default: what the AWS SDK finds (environment, profile, role). */
  readonly credentials?:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
    | undefined;
  /** The way to AWS through a proxy. Default: the direct one. */
  readonly outgoing?: Outgoing | undefined;
  /** A client to use instead of one made from the other options. */
  readonly client?: Route53Client | undefined;
  /** API requests of this process. Default 4 a second, 10 at once; an account may make 10 a second, 50 at once. */
  readonly requestRate?: Rate | undefined;
  /** Record sets created and deleted by this process. Default 50 a second, 750 at once; an account may change 100 a second, 1,500 at once. */
  readonly changeRate?: Rate | undefined;
  /** Default: the system's clock. */
  readonly now?: (() => Date) | undefined;
  /** Default: a timer. */
  readonly sleep?: Sleep | undefined;
  /** A number from 0 up to 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** What all jobs of a process share on one AWS account. */
export interface Account {
  readonly sleep: Sleep;
  readonly findZone: FindZone;
  readonly awaitInSync: AwaitInSync;
  readonly holders: Holders;
  /** What questions to DNS pass through. */
  readonly dnsTurnstile: Turnstile;
  queueOf(zoneId: string): ZoneQueue;
}

const REQUESTS: Rate = { perSecond: 4, burst: 10 };
const CHANGES: Rate = { perSecond: 50, burst: 750 };
const DNS_AT_ONCE = 32;
const CONNECTION_TIMEOUT_MS = 10_000;

const byTimer: Sleep = (ms, { signal }) => sleepUntil(ms, signal);

/** Accounts in use by what distinguishes them. There are as many as an operator has credentials. */
const direct = new Map<string, Account>();
const through = new WeakMap<Outgoing, Map<string, Account>>();

function accountsBy(outgoing: Outgoing | undefined): Map<string, Account> {
  if (!outgoing) return direct;
  const known = through.get(outgoing) ?? new Map();
  through.set(outgoing, known);
  return known;
}

function createClient({ region = 'us-east-1', endpoint, credentials, outgoing }: AccountOptions): Route53Client {
  if (endpoint !== undefined) parseApiUrl(endpoint);
  return new Route53Client({
    ...FILES_AGAIN,
    region,
    ...(endpoint ? { endpoint } : {}),
    ...(credentials ? { credentials } : {}),
    // Tries are counted here, where a signal can end them.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: 30_000,
      ...outgoing?.agents({ timeoutMs: CONNECTION_TIMEOUT_MS }),
    },
  });
}

function createAccount(options: AccountOptions): Account {
  const { requestRate = REQUESTS, changeRate = CHANGES, now = () => new Date(), sleep = byTimer } = options;
  const budget = createBudget({ requests: requestRate, changes: changeRate, now, sleep });
  const client = options.client ?? createClient(options);
  const caller: Caller = { client, budget, sleep, random: options.random ?? Math.random };
  const queues = new Map<string, ZoneQueue>();
  return {
    sleep,
    findZone: createFindZone(caller, now),
    awaitInSync: createAwaitInSync(caller, now),
    holders: createHolders(now),
    dnsTurnstile: createTurnstile(DNS_AT_ONCE),
    queueOf(zoneId) {
      const id = zoneId.replace(/^\/hostedzone\//, '');
      const queue = queues.get(id) ?? createZoneQueue({ caller, zoneId: id, now });
      queues.set(id, queue);
      return queue;
    },
  };
}

/** The account that options name: the same for the same credentials, unless a client, clock, sleep or randomness is given. */
export function openAccount(options: AccountOptions): Account {
  const { client, now, sleep, random, region, endpoint, credentials, requestRate, changeRate } = options;
  if (client || now || sleep || random) return createAccount(options);
  const accounts = accountsBy(options.outgoing);
  const key = JSON.stringify([region, endpoint, credentials, requestRate, changeRate]);
  const account = accounts.get(key) ?? createAccount(options);
  accounts.set(key, account);
  return account;
}
