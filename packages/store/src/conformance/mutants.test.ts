import { describe, expect, test } from 'vitest';
import { openMemoryLog } from '../adapters/memory.ts';
import { conformance, type LogUnderTest } from './index.ts';
import { type Mutate, mutants, networkMutants, soundBehindBadNetwork } from './mutants.builders.ts';

let logs = 0;

/** Empty logs, as `mutate` makes them of sound ones in memory. */
const createOf = (mutate: Mutate) => async (): Promise<LogUnderTest> => {
  logs += 1;
  const name = `mutant ${logs}`;
  const open = () => mutate(openMemoryLog(name));
  const log = open();
  return { log, reopen: async () => open(), dispose: () => log.close() };
};

const sound: Mutate = (log) => log;

/** Runs the suite as a test runner would, and returns the names of all tests and of those that failed. */
async function runSuite(log: Mutate, network?: Mutate): Promise<{ all: string[]; failed: string[] }> {
  const tests: { readonly name: string; readonly body: () => Promise<void> }[] = [];
  conformance({
    describe: (_, declare) => declare(),
    test: (name, body) => void tests.push({ name, body }),
    create: createOf(log),
    ...(network ? { faults: createOf(network) } : {}),
  });
  const failed: string[] = [];
  for (const { name, body } of tests) await body().catch(() => failed.push(name));
  return { all: tests.map(({ name }) => name), failed };
}

test('a sound log passes the whole suite, and each of its tests is there to find some fault', async () => {
  const { all, failed } = await runSuite(sound, soundBehindBadNetwork);
  expect(failed).toEqual([]);
  const finders = [...mutants, ...networkMutants].map(({ foundBy }) => foundBy);
  expect(new Set(finders)).toEqual(new Set(all));
});

describe('the suite finds that', () => {
  test.each(mutants)('$fault', async ({ foundBy, mutate }) => {
    expect((await runSuite(mutate)).failed).toContain(foundBy);
  });

  test.each(networkMutants)('behind a bad network, $fault', async ({ foundBy, mutate }) => {
    expect((await runSuite(sound, mutate)).failed).toContain(foundBy);
  });
});
