import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const conditions = ['certbus:source', 'node', 'import', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    disableConsoleIntercept: true,
    // vitest would leave one core to itself, which is half of a small machine.
    maxWorkers: availableParallelism(),
    tags: [{ name: 'full', description: 'has more to show with CERTBUS_TESTS=full' }],
    // A bound against what hangs, not a measure of speed: several files share two cores, and some tests start programs.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', './vitest.summary.ts'],
    execArgv: ['--conditions=certbus:source'],
    globalSetup: ['services/src/global-setup.ts'],
    include: [
      'packages/*/src/**/*.test.ts',
      'apps/*/src/**/*.test.ts',
      'services/src/**/*.test.ts',
      'rules/**/*.test.ts',
    ],
  },
});
