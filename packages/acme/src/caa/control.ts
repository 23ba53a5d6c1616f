/** Whether a name is still ours to certify, judged by what DNS shows. */
import type { CaaVerdict } from './check-caa.ts';

/** What DNS shows about who has a name. */
export interface ControlFacts {
  readonly name: string;
  /** False where DNS says that neither the name nor anything below it exists (NXDOMAIN); `undefined` where it gave no answer. */
  readonly exists: boolean | undefined;
  /** Name servers of the zone that the name lies in; `undefined` where that is not known. */
  readonly nameServers: readonly string[] | undefined;
  /** Those that the zone is known to have; empty for any. */
  readonly expectedNameServers: readonly string[];
  /** Default: not looked at. */
  readonly caa?: CaaVerdict;
}

/**
 * Whether a name is still ours to certify. `ours`: nothing speaks against it. `gone`: it does not exist. `moved`: other name servers
 * have it. `barred`: its owner lets another CA issue. `unknown`: DNS does not show it, which alone proves nothing.
 */
export interface Control {
  readonly state: 'ours' | 'gone' | 'moved' | 'barred' | 'unknown';
  /** In words for the operator. */
  readonly why: string;
}

const canonical = (host: string) => host.toLowerCase().replace(/\.$/, '');

/** Judges facts, the weightiest first. What to do about it, and when, is the caller's: one look can be a mishap. */
export function classifyControl({ name, exists, nameServers, expectedNameServers, caa }: ControlFacts): Control {
  if (exists === false) return { state: 'gone', why: `${name} does not exist in DNS (NXDOMAIN)` };
  const expected = new Set(expectedNameServers.map(canonical));
  const found = nameServers?.map(canonical) ?? [];
  const isKnown = expected.size > 0 && found.length > 0;
  if (isKnown && !found.some((server) => expected.has(server))) {
    const [now, before] = [found.toSorted().join(', '), [...expected].toSorted().join(', ')];
    return { state: 'moved', why: `${name} is served by ${now}, and no more by ${before}` };
  }
  if (caa?.verdict === 'forbidden') return { state: 'barred', why: caa.why };
  if (exists === undefined) return { state: 'unknown', why: `DNS gives no answer about ${name}` };
  if (caa?.verdict === 'unknown') return { state: 'unknown', why: caa.why };
  return { state: 'ours', why: `nothing in DNS speaks against ${name}` };
}
