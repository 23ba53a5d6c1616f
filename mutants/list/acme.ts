/** Mutants of the ACME engine: what is logged, and what is left behind. */
import type { Mutant } from '../mutant.ts';

const LEFT_BEHIND = { file: 'packages/acme/src/tests/faults.test.ts', only: 'and leaves no timer or socket' };

export const acme: readonly Mutant[] = [
  {
    fault: 'the account key and the key of its binding are logged at debug level',
    file: 'packages/acme/src/wire/create-engine.ts',
    find: 'const observe = guarded(options.observe, logger);',
    replace:
      "const observe = guarded(options.observe, logger);\n  logger.debug('opening', { key: options.accountKey, eab: options.eab });",
    noticedBy: [{ file: 'packages/acme/src/tests/secrets.test.ts' }],
  },
  {
    fault: 'a request leaves its timer behind',
    file: 'packages/acme/src/wire/undici.ts',
    find: 'clearTimeout(timer);',
    replace: '',
    noticedBy: [LEFT_BEHIND],
  },
  {
    fault: 'a session leaves its timer behind',
    file: 'packages/acme/src/limits/deadline.ts',
    find: 'clearTimeout(timer);',
    replace: '',
    noticedBy: [LEFT_BEHIND],
  },
];
