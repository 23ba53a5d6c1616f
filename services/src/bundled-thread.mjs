// Imported by every thread of a test process: one that writes a replica is then loaded from its bundle, in half the time of its 100 sources.
import { registerHooks } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const bundle = process.env['CERTBUS_TESTS_BUNDLED_THREAD'];
if (bundle && !isMainThread) {
  registerHooks({
    resolve(specifier, context, next) {
      const isThread = specifier.endsWith('/packages/replica/src/writer/thread.worker.ts');
      return isThread ? { url: bundle, format: 'module', shortCircuit: true } : next(specifier, context);
    },
  });
}
