/** What contexts leave behind that come and go. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { prepareEdgeSite } from './edge-site.ts';
import { type Benchmark, type Figure, quantile } from './figure.ts';
import type { TurnoverOptions } from './turnover-process.ts';

const PROGRAM = fileURLToPath(new URL('./turnover-process.ts', import.meta.url));

/** A figure, whom the contexts are made by, and what Node is told. */
interface Variant extends Pick<TurnoverOptions, 'by'> {
  readonly figure: string;
  readonly flags: readonly string[];
}

const VARIANTS: readonly Variant[] = [
  { figure: 'memory.turnover', by: 'callback', flags: [] },
  { figure: 'memory.turnover.young', by: 'callback', flags: ['--max-semi-space-size=16'] },
  { figure: 'memory.turnover.held', by: 'secureContextFor', flags: [] },
];

async function growthMegabytes(options: TurnoverOptions, flags: readonly string[]): Promise<number> {
  const child = fork(PROGRAM, [JSON.stringify(options)], { execArgv: ['--conditions=certbus:source', ...flags] });
  const [growth] = (await once(child, 'message')) as [number];
  await once(child, 'exit');
  return growth / 1e6;
}

/**
 * `memory.turnover`: growth of the resident set after 40,000 contexts were made and evicted at a cache size of 1,000, by the callback as
 * Node's TLS calls it; `.young` with a small young generation of V8's heap; `.held` by `secureContextFor`, whose contexts are never closed and
 * are dropped at once here.
 */
export const memoryTurnover: Benchmark = async ({ quick }) => {
  const site = { names: 2_000, hot: 2_000, keyType: 'p-256' } as const;
  await prepareEdgeSite(site);
  const figures: Figure[] = [];
  for (const { figure, by, flags } of VARIANTS) {
    const grown: number[] = [];
    for (let n = 0; n < (quick ? 1 : 5); n += 1)
      grown.push(await growthMegabytes({ site, by, cacheSize: 1_000, turnovers: quick ? 4_000 : 40_000 }, flags));
    const [low, value, high] = [quantile(grown, 0.25), quantile(grown, 0.5), quantile(grown, 0.75)];
    figures.push({ figure, value, unit: 'MB', low, high, n: grown.length });
  }
  return figures;
};
