import { defineConfig } from 'vitest/config';

const conditions = ['certbus:source', 'node', 'import', 'module', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    disableConsoleIntercept: true,
    reporters: ['default', './vitest.summary.ts'],
    execArgv: ['--conditions=certbus:source'],
    include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'testing/src/**/*.test.ts'],
  },
});
