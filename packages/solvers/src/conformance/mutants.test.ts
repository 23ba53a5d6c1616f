import { describe, expect, test } from 'vitest';
import { solverConformance } from './index.ts';
import { type MakeSolver, memorySubject, solverOf } from './memory-host.builders.ts';
import { mutants } from './mutants.builders.ts';

interface DeclaredTest {
  readonly name: string;
  readonly body: () => Promise<void>;
}

/** The tests of the suite, as a runner would be given them. */
function testsFor(make: MakeSolver, patienceMs = 5000): DeclaredTest[] {
  const tests: DeclaredTest[] = [];
  solverConformance({
    describe: (_, declare) => declare(),
    test: (name, body) => void tests.push({ name, body }),
    patienceMs,
    create: async ({ logger }) => memorySubject(make, logger),
  });
  return tests;
}

describe('a sound solver passes', () => {
  for (const { name, body } of testsFor(solverOf)) test(name, body);
});

test('each test of the suite is there to find some fault', () => {
  const names = testsFor(solverOf).map(({ name }) => name);
  expect(new Set(mutants.map(({ foundBy }) => foundBy))).toEqual(new Set(names));
});

describe('the suite finds that', () => {
  test.each(mutants)('$fault', async ({ foundBy, make }) => {
    const found = testsFor(make, 300).find(({ name }) => name === foundBy);
    await expect(found?.body()).rejects.toThrow();
  });
});

test('the tests of what a host cannot do are left out', () => {
  const names: string[] = [];
  solverConformance({
    describe: (_, declare) => declare(),
    test: (name) => void names.push(name),
    create: async ({ logger }) => memorySubject(solverOf, logger),
    limits: { aliases: 'it has none', 'clean-up': 'it forgets by itself' },
  });
  expect(names.join()).not.toMatch(/alias|takes away what/);
  expect(names).toContain('shows what was presented, once it says that it is ready');
});
