import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';
import LongestFirst from './vitest.sequencer.ts';

const conditions = ['certbus:source', 'node', 'import', 'default'];

const FOLDERS = ['packages/*/src', 'apps/*/src', 'services/src', 'benchmarks', 'rules', 'mutants'];
const ALL = FOLDERS.map((folder) => `${folder}/**/*.test.ts`);
/**
 * Files that have a process each: what starts services, what takes seconds, and what replaces, counts or watches something of its whole
 * process. The others share one, where what they import is loaded once: a process takes 0.4 seconds of a processor.
 */
const ALONE = [
  ...FOLDERS.map((folder) => `${folder}/**/*.int.test.ts`),
  'packages/*/src/tests/**/*.test.ts',
  'packages/client/src/{,tls/}*.test.ts',
  'packages/replica/src/*.test.ts',
  'packages/solvers/src/{conformance,dns,http-01,providers,tls-alpn-01}/**/*.test.ts',
  'packages/store/src/{recovery,adapters/sqlite}/*.test.ts',
  ...[
    'acme/src/account/roll-over',
    'acme/src/limits/ca-limiter',
    'acme/src/wire/{hostile-http,transport}',
    'client/src/serving/events',
    'events/src/{history/segments,vectors/format}',
    'manager/src/renewal/mass-renewal',
    'manager/src/state/{freshness,spending.property}',
    'manager/src/upkeep/{archive,key-changes/key-changes}',
    'replica/src/checking/bit-flips',
    'runtime/src/printable',
    'store/src/{archive/archive,conformance/mutants,floor,refused}',
  ].map((name) => `packages/${name}.test.ts`),
  'apps/agent/src/targets/files/files.test.ts',
  'apps/sandbox/src/sandbox.test.ts',
  'benchmarks/long/short-lived/short-lived.test.ts',
  'rules/rules.test.ts',
  'services/src/readme-blocks.test.ts',
];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    disableConsoleIntercept: true,
    // Half of what a file does is waiting, for programs that it started and for disks.
    maxWorkers: 2 * availableParallelism(),
    tags: [{ name: 'full', description: 'has more to show with CERTBUS_TESTS=full' }],
    // Bounds against what hangs, not measures of speed: files share cores with one another and with whatever else the machine does.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 240_000 } },
    reporters: ['default', './vitest.summary.ts'],
    sequence: { sequencer: LongestFirst },
    execArgv: [
      '--conditions=certbus:source',
      '--import',
      fileURLToPath(new URL('services/src/bundled-thread.mjs', import.meta.url)),
    ],
    globalSetup: ['services/src/global-setup.ts'],
    // In the order of their names: what is short is last, so that no core waits for a long one at the end.
    projects: [
      { extends: true, test: { name: 'alone', include: ALONE } },
      {
        extends: true,
        test: { name: 'together', include: ALL, exclude: [...configDefaults.exclude, ...ALONE], isolate: false },
      },
    ],
  },
});
