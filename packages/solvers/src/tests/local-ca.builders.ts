import { startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { freePort, requirePart, startChallTestSrv, startPebble, startStepCa } from 'certbus-services';

/** A DNS server for a CA. */
export interface LocalDns {
  /** `ADDRESS:PORT`. */
  readonly dns: string;
  /** Where records are set, as in challtestsrv. */
  readonly url: string;
  stop(): Promise<void>;
}

/** A CA on this machine. */
export interface LocalCa {
  readonly directory: string;
  /** PEM. */
  readonly roots: string;
  /** Where it validates http-01. */
  readonly httpPort: number;
  /** Where a redirect of http-01 may lead as well. */
  readonly redirectPort: number;
  /** PEM of the root of what it issues. */
  issuedRoots(): Promise<string>;
  /** How many orders it made. */
  orders(): number;
  stop(): Promise<void>;
}

/** What a suite asks of a CA. */
export interface LocalCaOptions {
  readonly dnsServer: string;
  /** Default 5. */
  readonly nonceRejectPercent?: number;
}

/** A kind of CA that our client is tested against. */
export interface LocalCaKind {
  readonly name: string;
  readonly skip: boolean;
  /** What it does not have by its nature; there are no tests of that against it. */
  readonly lacks: readonly ('terms' | 'nonce rejection' | 'renewal information' | 'challenges of the account')[];
  /** Whether a failed challenge, and with it the order, stays open (RFC 8555 §8.2). */
  readonly leavesFailedOpen: boolean;
  /** Address of an order that it never made, relative to the directory. */
  readonly unknownOrder: string;
  startDns(): Promise<LocalDns>;
  start(options: LocalCaOptions): Promise<LocalCa>;
}

const own: LocalCaKind = {
  name: 'our own server',
  skip: false,
  lacks: [],
  leavesFailedOpen: false,
  unknownOrder: '/my-order/none',
  async startDns() {
    const server = await startDnsServer();
    return { dns: server.address, url: server.url, stop: async () => server[Symbol.asyncDispose]() };
  },
  async start({ dnsServer, nonceRejectPercent = 5 }) {
    const [httpPort, redirectPort] = [await freePort(), await freePort()];
    const validation = { dnsServer, httpPort, redirectPorts: [redirectPort] };
    const server = await startAcmeServer({ validation, nonceRejectPercent });
    const { directory, roots } = server;
    return {
      directory,
      roots,
      httpPort,
      redirectPort,
      issuedRoots: async () => server.issuedRoots[0] ?? '',
      orders: () => server.orderCount,
      stop: async () => server[Symbol.asyncDispose](),
    };
  },
};

const part = requirePart('pebble');

const pebble: LocalCaKind = {
  name: part.title('Pebble'),
  skip: part.skip,
  lacks: [],
  leavesFailedOpen: false,
  unknownOrder: '/my-order/none',
  startDns: startChallTestSrv,
  // It follows redirects to any port.
  start: async (options) => ({
    ...(await startPebble({ ...options, caaIdentities: ['ca.test'], hasShortlived: true })),
    redirectPort: await freePort(),
  }),
};

const stepPart = requirePart('step-ca');

const stepCa: LocalCaKind = {
  name: stepPart.title('step-ca'),
  skip: stepPart.skip,
  lacks: ['terms', 'nonce rejection', 'renewal information', 'challenges of the account'],
  leavesFailedOpen: true,
  unknownOrder: 'order/none',
  startDns: own.startDns,
  // It follows redirects to any port.
  async start({ dnsServer }) {
    const ca = await startStepCa({ dnsServer });
    return { ...ca, redirectPort: await freePort(), issuedRoots: async () => ca.roots };
  },
};

/** The strict server of our own, and independent ones: Pebble, and step-ca for what it has. */
export const LOCAL_CAS: readonly LocalCaKind[] = [own, pebble, stepCa];
