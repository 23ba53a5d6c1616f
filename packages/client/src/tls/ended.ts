/** Whether certificates that have ended are refused, and any has. */
import type { MaterialSource } from '../serving/material-source.ts';

/** Makes what answers that at every connection: it looks again where the next certificate ends, and after `refresh`. */
export function createEnded(
  source: Pick<MaterialSource, 'health'>,
  { expired, nowMs }: { readonly expired: 'serve' | 'refuse' | undefined; readonly nowMs: () => number },
): { isAny(): boolean; refresh(): void } {
  let known: { readonly isAny: boolean; readonly from: number; readonly until: number } | undefined;
  return {
    isAny() {
      if (expired !== 'refuse') return false;
      const at = nowMs();
      if (!known || at < known.from || at >= known.until) {
        const { certificates, offlineBudgetMs = Number.POSITIVE_INFINITY } = source.health();
        known = { isAny: certificates.expired > 0, from: at, until: at + offlineBudgetMs };
      }
      return known.isAny;
    },
    refresh() {
      known = undefined;
    },
  };
}
