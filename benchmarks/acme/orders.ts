import { createInterface } from 'node:readline';

/** One slice of a contender's work, one JSON line. */
export interface Orders {
  /** Names of each order. */
  readonly orders: readonly (readonly string[])[];
  /** How many orders to have under way at once. */
  readonly parallel: number;
}

/** What came of it, one JSON line. */
export interface Outcome {
  /** Why each order that failed did. */
  readonly lost: readonly string[];
  readonly ms: number;
  /** CPU time of the contender's own process, where all of it works in one. */
  readonly cpuMs?: number;
}

/** Works through orders, so many at once. */
export async function workThrough(
  { orders, parallel }: Orders,
  obtain: (names: readonly string[]) => Promise<void>,
): Promise<Outcome> {
  const lost: string[] = [];
  const queue = orders.values();
  const began = performance.now();
  const worker = async () => {
    for (const names of queue) await obtain(names).catch((error: unknown) => lost.push(String(error)));
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return { lost, ms: performance.now() - began };
}

/** Serves slices from standard input until it ends. */
export async function serveSlices(work: (orders: Orders) => Promise<Outcome>): Promise<void> {
  process.stdout.write('"ready"\n');
  for await (const line of createInterface({ input: process.stdin })) {
    const used = process.cpuUsage();
    const outcome = await work(JSON.parse(line) as Orders);
    const { user, system } = process.cpuUsage(used);
    process.stdout.write(`${JSON.stringify({ cpuMs: (user + system) / 1_000, ...outcome })}\n`);
  }
}

/** Serves slices by a client that obtains one certificate at a time. */
export async function serveOrders(obtain: (names: readonly string[]) => Promise<void>): Promise<void> {
  await serveSlices((orders) => workThrough(orders, obtain));
}
