/** Questions to resolvers and to name servers. */
import { Resolver } from 'node:dns/promises';
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
  /** Whether a name has an SOA record of its own, as the apex of a zone has. Rejects with `CERTBUS_ACME_SOLVER_FAILED`. */
  isApex(name: string): Promise<boolean>;
  /** Names of the servers of a zone; empty where there are none. Rejects with `CERTBUS_ACME_SOLVER_FAILED`. */
  nameServers(zone: string): Promise<readonly string[]>;
  /** Addresses of a host, of both families: which of them this machine reaches, trying shows. Rejects with `CERTBUS_ACME_SOLVER_FAILED`. */
  addresses(host: string): Promise<readonly string[]>;
  /** What a server itself shows. */
  txt(name: string, server: string): Promise<ShownValues>;
}

const QUERY = { timeout: 2000, tries: 2 } as const;
/** Answers that mean that there is nothing; a server refuses what lies in none of its zones. */
const NOTHING = /^(ENODATA|ENOTFOUND|EREFUSED)$/;
/** Nobody answered, as opposed to an answer that is an error. */
export const UNANSWERED: RegExp = /^E(TIMEOUT|TIMEDOUT|CONNREFUSED|CONNRESET|HOSTUNREACH|NETUNREACH)$/;
const ABSENT = /^(ENODATA|ENOTFOUND)$/;

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'failed');

/** A name as it is compared: lower case, without the final dot. */
export const canonical = (name: string): string => name.toLowerCase().replace(/\.$/, '');

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
      const code = codeOf(cause);
      const how = UNANSWERED.test(code) ? 'does not answer' : 'answers with an error';
      const message = `Looking up ${what} failed: ${where} ${how} (${code}). Check it, and the delegation of the domain.`;
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
      const answers = await Promise.allSettled([
        find(what, (resolver) => resolver.resolve4(host)),
        find(what, (resolver) => resolver.resolve6(host)),
      ]);
      signal.throwIfAborted();
      const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? (answer.value ?? []) : []));
      const failed = answers.find((answer) => answer.status === 'rejected');
      if (found.length === 0 && failed) throw failed.reason;
      return found;
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
