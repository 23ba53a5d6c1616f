/** The CAs that the protocol suites run against. */
import { BLOCKED_NAME, requirePart, startPebble } from 'certbus-services';
import { startAcmeServer } from '../index.ts';
import type { Answers } from './answers.builders.ts';
import type { CaAddress } from './raw-client.builders.ts';

/** A CA that a suite runs against. */
export interface Target {
  readonly name: string;
  readonly skip: boolean;
  start(answers: Answers, options?: TargetOptions): Promise<RunningTarget>;
}

/** What both CAs can be told. */
export interface TargetOptions {
  /** base64url, by name. With any, accounts must be bound. */
  readonly externalAccounts?: Readonly<Record<string, string>>;
}

/** A CA that runs. */
export interface RunningTarget extends CaAddress, AsyncDisposable {
  /** The server of this package, which is stricter than the other. */
  readonly isOwn: boolean;
  /** Whether it knows profiles, renewal information and the newer challenges: Debian's Pebble does not. */
  readonly isModern: boolean;
  /** PEM. */
  issuedRoots(): Promise<string>;
}

const own: Target = {
  name: 'our own server',
  skip: false,
  async start({ dns, httpPort, tlsPort }, { externalAccounts = {} } = {}) {
    const keys = Object.entries(externalAccounts).map(([kid, hmacKey]) => ({ kid, hmacKey }));
    const server = await startAcmeServer({
      validation: { dnsServer: dns.address, httpPort, tlsPort },
      blockedNames: [BLOCKED_NAME],
      externalAccounts: keys,
      externalAccountRequired: keys.length > 0,
    });
    const { directory, roots } = server;
    return {
      directory,
      roots,
      isOwn: true,
      isModern: true,
      issuedRoots: async () => server.issuedRoots[0] ?? '',
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

const part = requirePart('pebble');

const pebble: Target = {
  name: part.title('Pebble'),
  skip: part.skip,
  async start({ dns, httpPort, tlsPort }, { externalAccounts = {} } = {}) {
    const caaIdentities = ['ca.test'];
    const ca = await startPebble({
      dnsServer: dns.address,
      httpPort,
      tlsPort,
      externalAccounts,
      caaIdentities,
      alternateRoots: 1,
    });
    const { directory, roots, issuedRoots, origin } = ca;
    const isModern = origin === 'go';
    return { directory, roots, isOwn: false, isModern, issuedRoots, [Symbol.asyncDispose]: () => ca.stop() };
  },
};

/** Our own server, and Pebble as the independent one. */
export const TARGETS: readonly Target[] = [own, pebble];
