/** Says how long a replacement waits for the limits of domains, at CAs that count renewals for these. */
import type { CaLimits } from '@certbus/acme';
import type { Selection } from '@certbus/replica';
import type { Context } from '../../context.ts';
import { countOf, registeredDomainOf } from '../../decide/limits.ts';
import { bucketOf } from './bucket.ts';

/** How long the last certificate of a CA waits for its domain. */
export interface DomainWait {
  readonly afterMs: number;
  /** The limit with its domain. */
  readonly boundBy: string;
}

const PAGE = 500;

/** How many certificates of a selection each domain has, by the directory of their CA, of those that are asked for. */
function countDomains(
  { view }: Pick<Context, 'view'>,
  selection: Selection,
  directories: ReadonlySet<string>,
): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const counts = new Map<string, Map<string, number>>();
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page = view.replica.selected(selection, { after, limit: PAGE });
    for (const certificateId of page.certificateIds) {
      const { directory = '', names = [] } = view.state.certificate(certificateId) ?? {};
      if (!directories.has(directory)) continue;
      const own = counts.get(directory) ?? new Map<string, number>();
      counts.set(directory, own);
      for (const domain of new Set(names.map(registeredDomainOf))) own.set(domain, (own.get(domain) ?? 0) + 1);
    }
    after = page.last;
  }
  return counts;
}

/** Whether a replacement at a CA with these limits spends of what its domains have. */
const countsForDomains = ({ renewals = 'counted', domains }: CaLimits): boolean =>
  renewals === 'counted' && domains !== undefined;

/** The wait for the domain that has the last place, by the directory of the CA; none for a CA that exempts renewals, or limits no domains. */
export function domainWaits(
  context: Pick<Context, 'view' | 'now'>,
  selection: Selection,
  limitsByDirectory: ReadonlyMap<string, CaLimits>,
): ReadonlyMap<string, DomainWait> {
  const concerned = [...limitsByDirectory].flatMap(([directory, limits]) =>
    countsForDomains(limits) ? [directory] : [],
  );
  const waits = new Map<string, DomainWait>();
  if (concerned.length === 0) return waits;
  const now = context.now();
  for (const [directory, domains] of countDomains(context, selection, new Set(concerned)))
    for (const [subject, certificates] of domains) {
      const limits = limitsByDirectory.get(directory);
      const count = limits && countOf({ limit: 'domains', directory, subject }, limits);
      if (!count) continue;
      const bucket = bucketOf(context.view.state, { limit: 'domains', subject, ...count, kept: 0 }, now);
      let at = now.getTime();
      for (let taken = 0; taken < certificates; taken += 1) {
        at = bucket.readyAt(at);
        bucket.take(at);
      }
      const afterMs = at - now.getTime();
      if (afterMs > (waits.get(directory)?.afterMs ?? 0)) waits.set(directory, { afterMs, boundBy: bucket.name });
    }
  return waits;
}
