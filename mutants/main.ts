/**
 * Tries every mutant of the list, each in a copy of the sources, and prints whether the tests notice it. Words on the command line
 * choose those mutants whose fault or file has one of them. Exits 1 where one is not noticed, cannot be made, or tests fail without any.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { useMemoryFolder } from '../services/src/memory-folder.ts';
import { copySources } from './copy.ts';
import { MUTANTS } from './list.ts';
import { type Mutant, mutate, type NamedTests } from './mutant.ts';
import { runTests } from './run.ts';

const ROOT = resolve(import.meta.dirname, '..');
/** More copies than this only wait for one another's disk. */
const MOST_COPIES = 4;

/** How one look went: a mutant's, or that of the sources as they are. */
interface Outcome {
  readonly isGood: boolean;
  readonly line: string;
}

const describeTests = ({ file, only }: NamedTests): string => (only === undefined ? file : `${file} ("${only}")`);

/** Runs the tests on the sources as they are: those that are named by file, and those that are named singly. */
async function tryUnchanged(folder: string, tests: readonly NamedTests[]): Promise<Outcome> {
  const { passed, failed, broken } = await runTests(folder, tests);
  const wrong = [...failed.map((name) => `"${name}" fails`), ...broken];
  if (wrong.length === 0 && passed > 0)
    return { isGood: true, line: `${passed} tests pass on the sources as they are` };
  return { isGood: false, line: `the sources as they are: ${wrong.join('\n') || 'no test was run'}` };
}

/** Makes a mutant in a copy, runs each of its test files, and takes it back. */
async function tryMutant(folder: string, mutant: Mutant): Promise<Outcome> {
  const path = join(folder, mutant.file);
  const text = readFileSync(path, 'utf8');
  try {
    writeFileSync(path, mutate(text, mutant));
    for (const tests of mutant.noticedBy) {
      const { passed, failed, broken } = await runTests(folder, [tests]);
      if (failed.length > 0) continue;
      const why = broken.length > 0 ? broken.join('\n') : `${passed} tests of ${describeTests(tests)} pass`;
      return { isGood: false, line: `NOT noticed: ${mutant.fault} (${mutant.file}): ${why}` };
    }
    return { isGood: true, line: `noticed: ${mutant.fault}` };
  } catch (error) {
    return { isGood: false, line: String(error) };
  } finally {
    writeFileSync(path, text);
  }
}

/** What is to be tried, each in any copy. */
function looksAt(mutants: readonly Mutant[]): ((folder: string) => Promise<Outcome>)[] {
  const all = mutants.flatMap(({ noticedBy }) => noticedBy);
  const whole = all.filter(({ only }) => only === undefined);
  const single = all.filter(({ only }) => only !== undefined);
  return [
    ...[whole, single]
      .filter(({ length }) => length > 0)
      .map((tests) => (folder: string) => tryUnchanged(folder, tests)),
    ...mutants.map((mutant) => (folder: string) => tryMutant(folder, mutant)),
  ];
}

/** Tries all, in as many copies as there are processors, and prints each outcome as it comes. */
async function tryAll(looks: readonly ((folder: string) => Promise<Outcome>)[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...looks];
  const work = async () => {
    const folder = mkdtempSync(join(tmpdir(), 'certbus-mutants-'));
    try {
      copySources(ROOT, folder);
      for (let look = waiting.shift(); look; look = waiting.shift()) {
        const outcome = await look(folder);
        outcomes.push(outcome);
        console.log(outcome.line);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  const copies = Math.min(MOST_COPIES, availableParallelism(), looks.length);
  await Promise.all(Array.from({ length: copies }, work));
  return outcomes;
}

const words = process.argv.slice(2);
const chosen = MUTANTS.filter(
  ({ fault, file }) => words.length === 0 || words.some((word) => `${fault} ${file}`.includes(word)),
);
const removeFolder = useMemoryFolder();
const outcomes = await tryAll(looksAt(chosen)).finally(removeFolder);
const bad = outcomes.filter(({ isGood }) => !isGood);
if (bad.length > 0) console.log(['', ...bad.map(({ line }) => `failed: ${line}`)].join('\n'));
console.log(`tests: ${outcomes.length - bad.length} passed, ${bad.length} failed, 0 skipped`);
if (bad.length > 0 || chosen.length === 0) process.exitCode = 1;
