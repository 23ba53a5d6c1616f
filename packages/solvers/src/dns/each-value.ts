/** One value at a time, for hosts that take no more. */
import type { PresentedChallenge } from '@certbus/acme';
import type { ZoneValues } from './solver.ts';

/** One value at a name. */
export interface OneValue {
  /** Effective, lower case and without a final dot. */
  readonly name: string;
  readonly value: string;
  /** A challenge that it answers. */
  readonly challenge: PresentedChallenge;
}

/** Values one by one, for hosts that take no more at once. */
export function singleValues({ sets }: ZoneValues): OneValue[] {
  return sets.flatMap(({ name, values, challenges }) =>
    values.flatMap((value) => {
      const challenge = challenges.find(({ dnsValue }) => dnsValue === value);
      return challenge ? [{ name, value, challenge }] : [];
    }),
  );
}

/**
 * Acts on each item, `parallel` at a time. Settles only when nothing is under way any more, and rejects with the first failure:
 * what comes after it is left out, unless `goOn`.
 */
export async function eachFew<T>(
  items: readonly T[],
  { parallel, goOn }: { readonly parallel: number; readonly goOn: boolean },
  act: (item: T) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  const rest = items.values();
  async function work(): Promise<void> {
    for (const item of rest) {
      if (failures.length > 0 && !goOn) return;
      await act(item).catch((error: unknown) => void failures.push(error));
    }
  }
  await Promise.all(Array.from({ length: parallel }, work));
  if (failures.length > 0) throw failures[0];
}
