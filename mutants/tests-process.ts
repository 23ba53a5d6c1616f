/** Runs the tests of the copy in which it was started, as often as it is asked: vitest is loaded once, and each run has a process of its own. */
import { resolve } from 'node:path';
import { createVitest, type Reporter, type TestModule } from 'vitest/node';
import type { Ended, Wanted } from './run.ts';

let ended: Ended;
const add = (more: Partial<Ended>) => {
  const { passed, failed, broken } = ended;
  ended = {
    passed: passed + (more.passed ?? 0),
    failed: [...failed, ...(more.failed ?? [])],
    broken: [...broken, ...(more.broken ?? [])],
  };
};
/** Anything can be thrown, also what has no message. */
const describe = (errors: ReadonlyArray<{ readonly message?: unknown }>): string =>
  errors
    .map((error) => String(error?.message ?? error))
    .join('\n')
    .slice(0, 2_000);
const hasFailedTests = (module: TestModule) => !module.children.allTests('failed').next().done;

const collector: Reporter = {
  onTestRunStart() {
    ended = { passed: 0, failed: [], broken: [] };
  },
  onTestCaseResult(test) {
    const { state } = test.result();
    if (state === 'passed') add({ passed: 1 });
    if (state === 'failed') add({ failed: [`${test.fullName}: ${describe(test.result().errors ?? [])}`] });
  },
  onTestModuleEnd(module) {
    if (module.state() === 'failed' && !hasFailedTests(module))
      add({ broken: [`${module.relativeModuleId} does not load: ${describe(module.errors())}`] });
  },
  onTestRunEnd(_modules, errors) {
    if (errors.length > 0) add({ broken: [describe(errors)] });
  },
};

// What was started in this group ends with the process that asks, however that ends: a mutant can make a test loop.
process.once('disconnect', () => process.kill(-process.pid, 'SIGKILL'));

const vitest = await createVitest({
  watch: false,
  bail: 1,
  maxWorkers: 1,
  reporters: [collector],
  // Each process reads the sources as they are then: nothing of a mutant is left in the next one.
  experimental: { viteModuleRunner: false, nodeLoader: false },
});
const escapeExpression = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

async function run({ tests: { file, only }, limitMs }: Wanted): Promise<Ended> {
  const path = resolve(file);
  const project = vitest.projects.find((each) => each.matchesTestGlob(path));
  if (!project) throw new Error(`${file} is not a file of tests`);
  Object.assign(project.config, { testTimeout: limitMs, expect: { poll: { timeout: limitMs } } });
  const options = only === undefined ? {} : { testNamePattern: new RegExp(escapeExpression(only)) };
  await vitest.rerunTestSpecifications([project.createSpecification(path, options)]);
  return ended;
}

process.on('message', (wanted: Wanted) => {
  run(wanted).then(
    (result) => process.send?.(result),
    (error: unknown) => process.send?.({ passed: 0, failed: [], broken: [String(error)] } satisfies Ended),
  );
});
