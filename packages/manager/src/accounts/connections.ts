/** Keeps a manager's connections to CAs, so that all orders share each CA's limits. */
import {
  type Acme,
  type AcmeEvent,
  type AcmeOptions,
  type CaLimiter,
  type CaLimits,
  createAcme,
  createCaLimiter,
  type Outage,
} from '@certbus/acme';

/** A manager's connections to CAs, kept for its life: one per account key, and one limiter per CA, so that all keep its limits. */
export interface Connections {
  /** The connection with this account, within the CA's limits; made where there is none yet. Throws as `createAcme` does. */
  connect(options: AcmeOptions, limits: CaLimits): Acme;
  /** Why no order can be made now at a CA, by its directory, as far as this process knows; `undefined` where one can be. */
  outage(directory: string): Outage | undefined;
  /** Ends the pause of an outage: one request may look whether the CA is back. */
  lookAgain(directory: string): void;
  close(): Promise<void>;
}

/** CAs count requests by address, which a second manager can share, and a person who issues by hand. */
const REQUEST_SHARE = 0.5;

/** Takes what the ACME client does, at once, with the directory of the CA that it does it at. */
export type ObserveAuthority = (event: AcmeEvent, directory: string) => void;

/** What all connections have in common. */
export interface ConnectionDefaults extends Pick<AcmeOptions, 'outgoing'> {
  /** Takes what is done at a CA, with its directory. */
  readonly observe?: ObserveAuthority;
}

/** Makes none yet. */
export function createConnections({ observe, ...defaults }: ConnectionDefaults = {}): Connections {
  const open = new Map<string, Acme>();
  const limiters = new Map<string, CaLimiter>();
  return {
    connect(options, limits) {
      const { directory, accountKey, accountUrl, roots, eab } = options;
      // A changed key, account, trust or binding is another connection; the one before it may have sessions under way.
      const key = JSON.stringify([directory, accountKey, accountUrl, roots, eab?.kid]);
      const { now } = options;
      const shared = { limits, requestShare: REQUEST_SHARE };
      const limiter = limiters.get(directory) ?? createCaLimiter(directory, { ...shared, ...(now ? { now } : {}) });
      limiters.set(directory, limiter);
      const watched = observe ? { observe: (event: AcmeEvent) => observe(event, directory) } : {};
      const ca = open.get(key) ?? createAcme({ limiter, ...defaults, ...watched, ...options });
      open.set(key, ca);
      return ca;
    },
    outage: (directory) => limiters.get(directory)?.outage(),
    lookAgain: (directory) => limiters.get(directory)?.lookAgain(),
    async close() {
      await Promise.all([...open.values()].map((ca) => ca.close()));
      open.clear();
    },
  };
}
