/** Runs tests in a copy of the sources, and says how they ended. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { NamedTests } from './mutant.ts';

/** How a run of tests ended. */
export interface Ended {
  readonly passed: number;
  /** The names of the tests that failed. */
  readonly failed: readonly string[];
  /** What kept tests from being run: a file that does not load, or a run that did not end. */
  readonly broken: readonly string[];
}

/** What vitest reports, as far as it is looked at. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message?: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

const REPORT = 'mutants-report.json';
/** A mutant can make a test wait for what never comes. */
const TEST_TIMEOUT_MS = 60_000;
const RUN_TIMEOUT_MS = 300_000;

const escapeExpression = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

function argumentsFor(tests: readonly NamedTests[]): string[] {
  const names = tests.flatMap(({ only }) => (only === undefined ? [] : [escapeExpression(only)]));
  return [
    ...['run', '--bail=1', '--maxWorkers=1', `--testTimeout=${TEST_TIMEOUT_MS}`],
    ...['--reporter=json', `--outputFile=${REPORT}`],
    ...(names.length > 0 ? ['--testNamePattern', names.join('|')] : []),
    ...new Set(tests.map(({ file }) => file)),
  ];
}

function readReport(folder: string, said: string): Ended {
  let report: Report;
  try {
    report = JSON.parse(readFileSync(join(folder, REPORT), 'utf8'));
  } catch {
    return { passed: 0, failed: [], broken: [`vitest wrote no report:\n${said.slice(-2_000)}`] };
  }
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  return {
    passed: tests.filter(({ status }) => status === 'passed').length,
    failed: tests.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
    broken: report.testResults
      .filter(
        ({ status, assertionResults, message = '' }) =>
          status === 'failed' && assertionResults.length === 0 && message !== '',
      )
      .map(({ name, message = '' }) => `${name} does not load: ${message.slice(0, 2_000)}`),
  };
}

/** Runs tests in a copy of the sources until the first one fails. Either all are named by `only`, or none. */
export async function runTests(folder: string, tests: readonly NamedTests[]): Promise<Ended> {
  rmSync(join(folder, REPORT), { force: true });
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', ...argumentsFor(tests)], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A run of one file starts too few threads to be worth a bundle.
    env: { ...process.env, CERTBUS_TESTS: '', CERTBUS_TESTS_BUNDLED_THREAD: '' },
  });
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  child.stderr.on('data', (chunk) => (said += chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), RUN_TIMEOUT_MS);
  await once(child, 'close');
  clearTimeout(timer);
  return readReport(folder, said);
}
