import { type Benchmark, quantile } from './figure.ts';
import { openSite } from './site.ts';

/** `path.issue`: one order of a wildcard and its parent, from the first decision to the certificate on the bus. */
export const pathIssue: Benchmark = async ({ quick }) => {
  const orders = quick ? 5 : 40;
  const { manager, close } = await openSite();
  const { signal } = new AbortController();
  try {
    await manager.issue({ names: ['warm.test'] }, { signal });
    const times: number[] = [];
    for (let n = 0; n < orders; n += 1) {
      const began = performance.now();
      await manager.issue({ names: [`*.n${n}.test`, `n${n}.test`] }, { signal });
      times.push(performance.now() - began);
    }
    const [value, low, high] = [0.5, 0.25, 0.75].map((share) => quantile(times, share)) as [number, number, number];
    return [{ figure: 'path.issue', value, unit: 'ms', low, high, n: orders }];
  } finally {
    await close();
  }
};
