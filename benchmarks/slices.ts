import { type Figure, quantile } from './figure.ts';

/** What one contender does in a slice; resolves with its rate, or any measure of which the ratio is published. */
export type Slice = (round: number) => number | Promise<number>;

/**
 * Lets every contender have one slice a round. Their order turns about from round to round, so that a drift of the machine's
 * speed favours nobody. Resolves with each one's measures, round by round.
 */
export async function interleave<Name extends string>(
  rounds: number,
  contenders: Readonly<Record<Name, Slice>>,
): Promise<Readonly<Record<Name, readonly number[]>>> {
  const names = Object.keys(contenders) as Name[];
  const measures = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) measures[name].push(await contenders[name](round));
  }
  return measures;
}

export interface Contest {
  /** What the peer is, for the table. */
  readonly against: string;
  readonly ours: readonly number[];
  readonly peer: readonly number[];
  /** The peer's own second slices. */
  readonly again: readonly number[];
}

/** The figure of a contest: the median of the rounds' ratios, ours divided by the peer's. */
export function ratioOf(figure: string, { against, ours, peer, again }: Contest): Figure {
  const over = (measures: readonly number[]) => measures.map((value, round) => value / (peer[round] ?? Number.NaN));
  const ratios = over(ours);
  return {
    figure,
    value: quantile(ratios, 0.5),
    unit: 'x',
    against,
    low: quantile(ratios, 0.25),
    high: quantile(ratios, 0.75),
    control: quantile(over(again), 0.5),
    n: ratios.length,
  };
}

/** How often a second something was done. */
export async function perSecond(count: number, work: () => void | Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return (count * 1_000) / (performance.now() - began);
}
