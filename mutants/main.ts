/**
 * Tries every mutant of the list, each in a copy of the sources, and prints whether the tests notice it. Words on the command line
 * choose those mutants whose fault or file has one of them. Exits 1 where one is not noticed, cannot be made, or tests fail without any.
 */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { useMemoryFolder } from '../services/src/memory-folder.ts';
import { type Copy, makeCopy } from './copy.ts';
import { MUTANTS } from './list.ts';
import { type Mutant, mutate, type NamedTests } from './mutant.ts';

const ROOT = resolve(import.meta.dirname, '..');
/** A copy takes half a gigabyte of memory. */
const MOST_COPIES = 6;

/** How one look went: a mutant's, or that of the sources as they are. */
interface Outcome {
  readonly isGood: boolean;
  readonly line: string;
}

/** How long a test may wait for what does not come, where there is no mutant: as long as in other runs. */
const UNCHANGED_LIMIT_MS = 300_000;
const SHORTEST_LIMIT_MS = 10_000;

const describeTests = ({ file, only }: NamedTests): string => (only === undefined ? file : `${file} ("${only}")`);

/** Runs tests on the sources as they are: what fails with a mutant has to pass without it. */
async function tryUnchanged(copy: Copy, tests: NamedTests): Promise<Outcome> {
  const { passed, failed, broken } = await copy.run({ tests, limitMs: UNCHANGED_LIMIT_MS });
  const wrong = [...failed, ...broken];
  const isGood = wrong.length === 0 && passed > 0;
  const how = isGood ? `${passed} tests pass` : wrong.join('\n') || 'no test was run';
  return { isGood, line: `the sources as they are: ${describeTests(tests)}: ${how}` };
}

/** Runs tests on a mutant until one fails, and says why none does. */
async function whyNotNoticed(
  copy: Copy,
  tests: NamedTests,
  { limitMs, tries }: { readonly limitMs: number; readonly tries: number },
): Promise<string | undefined> {
  for (let count = 1; ; count += 1) {
    const { passed, failed, broken } = await copy.run({ tests, limitMs });
    if (failed.length > 0) return undefined;
    if (broken.length > 0) return broken.join('\n');
    if (count === tries) return `${passed} tests of ${describeTests(tests)} pass`;
  }
}

/** Makes a mutant in a copy, runs each of its test files, and takes it back. */
async function tryMutant(copy: Copy, mutant: Mutant, limitMs: (tests: NamedTests) => number): Promise<Outcome> {
  const text = copy.read(mutant.file);
  try {
    copy.write(mutant.file, mutate(text, mutant));
    for (const tests of mutant.noticedBy) {
      const why = await whyNotNoticed(copy, tests, { limitMs: limitMs(tests), tries: mutant.tries ?? 1 });
      if (why === undefined) continue;
      return { isGood: false, line: `NOT noticed: ${mutant.fault} (${mutant.file}): ${why}` };
    }
    return { isGood: true, line: `noticed: ${mutant.fault}` };
  } catch (error) {
    return { isGood: false, line: String(error) };
  } finally {
    copy.write(mutant.file, text);
  }
}

function groupByTests(mutants: readonly Mutant[]): Mutant[][] {
  const groups = Object.groupBy(mutants, ({ noticedBy: [first] }) => first?.file ?? '');
  return Object.values(groups).map((group) => group ?? []);
}

/** Tries the sources as they are with the tests of a group, and then its mutants. */
async function tryGroup(copy: Copy, mutants: readonly Mutant[], onOutcome: (outcome: Outcome) => void): Promise<void> {
  const tests = mutants.flatMap(({ noticedBy }) => noticedBy);
  const tookMs = new Map<string, number>();
  for (const [name, each] of new Map(tests.map((each) => [describeTests(each), each]))) {
    const start = performance.now();
    onOutcome(await tryUnchanged(copy, each));
    tookMs.set(name, performance.now() - start);
  }
  // A mutant often makes a test wait for what never comes. How long it has to wait for what does come, the run before has shown.
  const limitMs = (each: NamedTests) => SHORTEST_LIMIT_MS + 3 * (tookMs.get(describeTests(each)) ?? UNCHANGED_LIMIT_MS);
  for (const mutant of mutants) onOutcome(await tryMutant(copy, mutant, limitMs));
}

/**
 * Tries all, and prints each outcome as it comes. Two thirds of what tests do here is waiting, often for what a mutant keeps from coming: there
 * are three times as many copies as processors.
 */
async function tryAll(groups: readonly (readonly Mutant[])[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...groups];
  const work = async () => {
    const copy = makeCopy(ROOT);
    try {
      for (let group = waiting.shift(); group; group = waiting.shift())
        await tryGroup(copy, group, (outcome) => {
          outcomes.push(outcome);
          console.log(outcome.line);
        });
    } finally {
      await copy.remove();
    }
  };
  const copies = Math.min(MOST_COPIES, 3 * availableParallelism(), groups.length);
  await Promise.all(Array.from({ length: copies }, work));
  return outcomes;
}

const words = process.argv.slice(2);
const chosen = MUTANTS.filter(
  ({ fault, file }) => words.length === 0 || words.some((word) => `${fault} ${file}`.includes(word)),
);
const removeFolder = useMemoryFolder();
const outcomes = await tryAll(groupByTests(chosen)).finally(removeFolder);
const bad = outcomes.filter(({ isGood }) => !isGood);
if (bad.length > 0) console.log(['', ...bad.map(({ line }) => `failed: ${line}`)].join('\n'));
console.log(`tests: ${outcomes.length - bad.length} passed, ${bad.length} failed, 0 skipped`);
if (bad.length > 0 || chosen.length === 0) process.exitCode = 1;
