import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import LongestFirst from './vitest.sequencer.ts';

const conditions = ['certbus:source', 'node', 'import', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    disableConsoleIntercept: true,
    // Half of what a file does is waiting, for programs that it started and for disks.
    maxWorkers: 2 * availableParallelism(),
    tags: [{ name: 'full', description: 'has more to show with CERTBUS_TESTS=full' }],
    // Bounds against what hangs, not measures of speed: files share cores with one another and with whatever else the machine does.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    reporters: ['default', './vitest.summary.ts'],
    sequence: { sequencer: LongestFirst },
    execArgv: [
      '--conditions=certbus:source',
      '--import',
      fileURLToPath(new URL('services/src/bundled-thread.mjs', import.meta.url)),
    ],
    globalSetup: ['services/src/global-setup.ts'],
    include: [
      'packages/*/src/**/*.test.ts',
      'apps/*/src/**/*.test.ts',
      'services/src/**/*.test.ts',
      'benchmarks/**/*.test.ts',
      'rules/**/*.test.ts',
      'mutants/**/*.test.ts',
    ],
  },
});
