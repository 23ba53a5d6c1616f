import { Resolver } from 'node:dns/promises';
import { AcmeError } from '../../../errors.ts';
import type { Gate } from './waiting.ts';

/** Questions to DNS. All of them end with the signal that they were opened with. */
export interface Lookups extends Disposable {
  /** Where a name points to by CNAME; `undefined` for a name without one. Rejects with `CERTBUS_ACME_SOLVER_FAILED`. */
  cname(name: string): Promise<string | undefined>;
  /** Names of the servers of a zone; empty where the name is no zone's apex, or nobody answers. */
  nameServers(name: string): Promise<string[]>;
  /** Addresses of a host, IPv4 where there are any. */
  addresses(host: string): Promise<string[]>;
  /** What a server shows as TXT records of a name; empty where it shows nothing, or does not answer. */
  txt(name: string, server: string): Promise<string[]>;
}

const QUERY = { timeout: 2000, tries: 3 } as const;

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');

/** How questions are asked. */
export interface LookupOptions {
  /** Resolvers, as `ADDRESS:PORT`. Default: the system's. */
  readonly servers: readonly string[] | undefined;
  /** Keeps a thousand jobs from asking a thousand questions at once, of which resolvers and routers drop some. */
  readonly gate: Gate;
  readonly signal: AbortSignal;
}

/** Opens the lookups. */
export function openLookups({ servers, gate, signal }: LookupOptions): Lookups {
  const resolvers = new Map<string, Resolver>();

  function ask(server: string): Resolver {
    const known = resolvers.get(server);
    if (known) return known;
    const resolver = new Resolver(QUERY);
    if (server) resolver.setServers([server]);
    else if (servers) resolver.setServers([...servers]);
    resolvers.set(server, resolver);
    return resolver;
  }

  const cancel = () => {
    for (const resolver of resolvers.values()) resolver.cancel();
  };
  signal.addEventListener('abort', cancel, { once: true });

  /** Nothing where there is nothing, or nobody who says so; but an aborted question is no answer. */
  async function orNone<T>(look: () => Promise<T[]>): Promise<T[]> {
    try {
      return await gate.pass(look, signal);
    } catch {
      signal.throwIfAborted();
      return [];
    }
  }

  return {
    async cname(name) {
      signal.throwIfAborted();
      try {
        const [target] = await gate.pass(() => ask('').resolveCname(name), signal);
        return target?.toLowerCase().replace(/\.$/, '');
      } catch (cause) {
        signal.throwIfAborted();
        if (/^(ENODATA|ENOTFOUND)$/.test(codeOf(cause))) return undefined;
        const message = `Whether ${name} is a CNAME cannot be looked up (${codeOf(cause) || String(cause)}). Check the resolver of this machine and the delegation of the domain.`;
        throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message, { cause });
      }
    },
    nameServers: (name) => orNone(() => ask('').resolveNs(name)),
    async addresses(host) {
      const found = await orNone(() => ask('').resolve4(host));
      return found.length > 0 ? found : orNone(() => ask('').resolve6(host));
    },
    async txt(name, server) {
      const records = await orNone(() => ask(server).resolveTxt(name));
      // A long value comes in chunks, which together are the value.
      return records.map((chunks) => chunks.join(''));
    },
    [Symbol.dispose]() {
      signal.removeEventListener('abort', cancel);
    },
  };
}
