/** What DNS shows of names: CAA records, and who controls a name. */
import type { CaaRecord as NodeCaaRecord } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import type { CaaRecord, CaaResolver, ControlFacts } from '@certbus/acme';

/** How to ask DNS. */
export interface DnsViewOptions {
  /** Resolvers, `ADDRESS` or `ADDRESS:PORT`. Default: the system's. */
  readonly resolvers?: readonly string[];
  /** Bound of one try of a question. Default 2000. */
  readonly timeoutMs?: number;
}

/** What DNS shows of names, through resolvers that follow aliases. */
export interface DnsView {
  readonly caa: CaaResolver;
  /** Whether a name exists and who serves it. Rejects with the signal's reason only. */
  control(
    name: string,
    options: { readonly signal: AbortSignal },
  ): Promise<Pick<ControlFacts, 'exists' | 'nameServers'>>;
}

const TRIES = 2;
const CRITICAL = 128;

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');

/**
 * Node gives a property as a member beside the flags. Nobody can tell the flags from a property of the name "critical", so that is
 * taken for what it may be.
 */
function readRecord({ critical, ...rest }: Readonly<Record<string, unknown>>): CaaRecord {
  const properties = Object.entries(rest).filter(([tag, value]) => tag !== 'type' || value !== 'CAA');
  const [tag = 'critical', value = critical] = properties[0] ?? [];
  const isCritical = typeof critical !== 'number' || (critical & CRITICAL) !== 0;
  return { isCritical, tag: tag.toLowerCase(), value: String(value) };
}

/** Opens the view; every question is asked with a resolver of its own, since Node's remember answers. */
export function createDnsView({ resolvers, timeoutMs = 2000 }: DnsViewOptions = {}): DnsView {
  async function ask<T>(signal: AbortSignal, question: (resolver: Resolver) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const resolver = new Resolver({ timeout: timeoutMs, tries: TRIES });
    if (resolvers) resolver.setServers(resolvers);
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

  async function nameServersOf(name: string, signal: AbortSignal): Promise<readonly string[] | undefined> {
    const labels = name.split('.');
    for (let from = 0; from < labels.length - 1; from += 1) {
      const zone = labels.slice(from).join('.');
      try {
        return await ask(signal, (resolver) => resolver.resolveNs(zone));
      } catch (error) {
        signal.throwIfAborted();
        if (!/^(ENODATA|ENOTFOUND)$/.test(codeOf(error))) return undefined;
      }
    }
    return undefined;
  }

  return {
    async caa(name, { signal }) {
      try {
        const records: readonly NodeCaaRecord[] = await ask(signal, (resolver) => resolver.resolveCaa(name));
        return records.map((record) => readRecord({ ...record }));
      } catch (error) {
        signal.throwIfAborted();
        if (/^(ENODATA|ENOTFOUND)$/.test(codeOf(error))) return [];
        throw error;
      }
    },
    async control(name, { signal }) {
      const bare = name.replace(/^\*\./, '');
      const [exists, nameServers] = await Promise.all([
        ask(signal, (resolver) => resolver.resolve(bare, 'SOA')).then(
          () => true,
          (error: unknown) => {
            signal.throwIfAborted();
            return { ENODATA: true, ENOTFOUND: false }[codeOf(error)];
          },
        ),
        nameServersOf(bare, signal),
      ]);
      return { exists, nameServers };
    },
  };
}
