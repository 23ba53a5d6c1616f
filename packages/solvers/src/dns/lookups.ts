/** Questions to resolvers and to name servers. */
import { Resolver } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { AcmeError } from '@certbus/acme';
import { remembering } from './remember.ts';

/** What a server shows as TXT records of a name, each with its chunks joined. */
export interface ShownValues {
  readonly values: readonly string[];
  /** Why nothing is known, where the server did not answer as one that has the name should. */
  readonly trouble?: string;
}

/** Questions to DNS. All of them end with the signal that they were opened with. */
export interface Lookups {
  /** Where a name points to by CNAME; `undefined` for a name without one. Rejects with `CERTBUS_ACME_SOLVER_FAILED`. */
  cname(name: string): Promise<string | undefined>;
  /** Whether a name is the apex of a zone, by its SOA record. Rejects with `CERTBUS_ACME_SOLVER_FAILED`. */
  isApex(name: string): Promise<boolean>;
  /** Names of the servers of a zone; empty where there are none. Rejects with `CERTBUS_ACME_SOLVER_FAILED`. */
  nameServers(zone: string): Promise<readonly string[]>;
  /** Addresses of a host, of the family that this machine speaks. Rejects with `CERTBUS_ACME_SOLVER_FAILED`. */
  addresses(host: string): Promise<readonly string[]>;
  /** What a server itself shows. */
  txt(name: string, server: string): Promise<ShownValues>;
}

const QUERY = { timeout: 2000, tries: 2 } as const;
/** Answers that mean that there is nothing; a server refuses what lies in none of its zones. */
const NOTHING = /^(ENODATA|ENOTFOUND|EREFUSED)$/;
const ABSENT = /^(ENODATA|ENOTFOUND)$/;

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'failed');

/** A name as it is compared: lower case, without the final dot. */
export const canonical = (name: string): string => name.toLowerCase().replace(/\.$/, '');

/** Whether IPv4 leads out of this machine; where nothing does, it is loopback that counts. */
function speaksIpv4(): boolean {
  const outside = Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).filter((each) => !each.internal),
  );
  return outside.length === 0 || outside.some(({ family }) => family === 'IPv4');
}

/** Opens the lookups. `servers` are resolvers; default: the system's. */
export function openLookups({
  servers,
  signal,
}: {
  readonly servers: readonly string[] | undefined;
  readonly signal: AbortSignal;
}): Lookups {
  /** Asks with a resolver of its own, for c-ares remembers answers, and what was not there. */
  async function ask<T>(at: readonly string[] | undefined, question: (resolver: Resolver) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const resolver = new Resolver(QUERY);
    if (at) resolver.setServers([...at]);
    const cancel = () => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      return await question(resolver);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  async function find<T>(what: string, question: (resolver: Resolver) => Promise<T>): Promise<T | undefined> {
    try {
      return await ask(servers, question);
    } catch (cause) {
      signal.throwIfAborted();
      if (NOTHING.test(codeOf(cause))) return undefined;
      const where = servers ? `the resolver ${servers.join(', ')}` : 'the resolver of this machine';
      const message = `Looking up ${what} failed: ${where} does not answer (${codeOf(cause)}). Check it, and the delegation of the domain.`;
      throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message, { cause });
    }
  }

  async function cname(name: string): Promise<string | undefined> {
    const [target] = (await find(`the CNAME of ${name}`, (resolver) => resolver.resolveCname(name))) ?? [];
    return target === undefined ? undefined : canonical(target);
  }

  return {
    cname,
    async isApex(name) {
      // Through an alias comes the SOA record of another zone, or an answer that c-ares takes for broken.
      const isAlias = async () => (await cname(name)) !== undefined;
      try {
        const found = await find(`the SOA record of ${name}`, (resolver) => resolver.resolveSoa(name));
        return found !== undefined && !(await isAlias());
      } catch (error) {
        signal.throwIfAborted();
        const isBroken = error instanceof AcmeError && codeOf(error.cause) === 'EBADRESP';
        if (isBroken && (await isAlias())) return false;
        throw error;
      }
    },
    async nameServers(zone) {
      return (await find(`the name servers of ${zone}`, (resolver) => resolver.resolveNs(zone))) ?? [];
    },
    async addresses(host) {
      const what = `the addresses of ${host}`;
      const v4 = () => find(what, (resolver) => resolver.resolve4(host));
      const v6 = () => find(what, (resolver) => resolver.resolve6(host));
      const [first, second] = speaksIpv4() ? [v4, v6] : [v6, v4];
      const found = await first?.();
      return found?.length ? found : ((await second?.()) ?? []);
    },
    async txt(name, server) {
      try {
        const records = await ask([server], (resolver) => resolver.resolveTxt(name));
        return { values: records.map((chunks) => chunks.join('')) };
      } catch (error) {
        signal.throwIfAborted();
        return ABSENT.test(codeOf(error)) ? { values: [] } : { values: [], trouble: codeOf(error) };
      }
    },
  };
}

/** Remembers answers for as long as one operation takes. */
export function rememberLookups(lookups: Lookups): Lookups {
  return {
    cname: remembering(lookups.cname),
    isApex: remembering(lookups.isApex),
    nameServers: remembering(lookups.nameServers),
    addresses: remembering(lookups.addresses),
    txt: lookups.txt,
  };
}
