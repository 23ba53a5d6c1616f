/** What validations ask DNS for. */
import { Resolver } from 'node:dns/promises';
import { ProblemDocument } from '../problem-document.ts';

/** A CAA record: its flags, and one property by name. */
export interface CaaRecord {
  readonly critical: number;
  readonly [property: string]: string | number | undefined;
}

/** What validations ask DNS for. An empty answer is an empty list; what cannot be asked is a `dns` problem. */
export interface DnsLookup {
  txt(name: string): Promise<string[]>;
  addresses(name: string): Promise<string[]>;
  caa(name: string): Promise<CaaRecord[]>;
}

/** Whom to ask, and how long each try of a question may take. */
export interface DnsLookupOptions {
  readonly dnsServer: string | undefined;
  readonly timeoutMs: number;
}

const TRIES = 2;
const MAX_CNAMES = 10;

const MEANING: Readonly<Record<string, string>> = {
  ENOTFOUND: 'NXDOMAIN',
  ESERVFAIL: 'SERVFAIL',
  EREFUSED: 'REFUSED',
  ETIMEOUT: 'query timed out',
  ECONNREFUSED: 'query refused',
};
const EMPTY = new Set(['ENODATA', 'ENOTFOUND']);

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';
}

/** Asks one DNS server, or those of the system, and each question once more after `timeoutMs`. Nothing is remembered from one lookup to the next. */
export function createDnsLookup({ dnsServer, timeoutMs }: DnsLookupOptions): DnsLookup {
  function open(): Resolver {
    const resolver = new Resolver({ timeout: timeoutMs, tries: TRIES });
    if (dnsServer !== undefined) resolver.setServers([dnsServer]);
    return resolver;
  }

  const failed = (kind: string, name: string, code: string) =>
    new ProblemDocument('dns', `DNS problem: ${MEANING[code] ?? code} looking up ${kind} for ${name}`);

  /** Follows aliases by itself where the server is not one that does it. */
  async function ask<T>(
    name: string,
    kind: string,
    query: (resolver: Resolver, name: string) => Promise<T[]>,
  ): Promise<T[]> {
    const resolver = open();
    const seen = new Set<string>();
    for (let at = name; seen.size <= MAX_CNAMES; ) {
      seen.add(at.toLowerCase());
      try {
        return await query(resolver, at);
      } catch (error) {
        const code = codeOf(error);
        if (!EMPTY.has(code)) throw failed(kind, name, code);
        const [alias] = await resolver.resolveCname(at).catch(() => []);
        if (alias === undefined) {
          if (code === 'ENOTFOUND' && kind !== 'CAA') throw failed(kind, name, code);
          return [];
        }
        if (seen.has(alias.toLowerCase())) break;
        at = alias;
      }
    }
    throw new ProblemDocument('dns', `DNS problem: the aliases of ${name} do not end`);
  }

  return {
    async txt(name) {
      // RFC 1035 §3.3.14: the chunks of one record make one text.
      const records = await ask(name, 'TXT', (resolver, at) => resolver.resolveTxt(at));
      return records.map((chunks) => chunks.join(''));
    },
    async addresses(name) {
      const [six, four] = await Promise.allSettled([
        ask(name, 'AAAA', (resolver, at) => resolver.resolve6(at)),
        ask(name, 'A', (resolver, at) => resolver.resolve4(at)),
      ]);
      if (four.status === 'rejected' && six.status === 'rejected') throw four.reason;
      const found = [six, four].flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
      if (found.length === 0) throw new ProblemDocument('dns', `No valid IP addresses found for ${name}`);
      return found;
    },
    async caa(name) {
      const records = await ask(name, 'CAA', (resolver, at) => resolver.resolveCaa(at));
      return records.map((record) => ({ ...record }));
    },
  };
}
