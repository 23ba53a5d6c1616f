/** How much an expensive test does: a little in `npm test`, all of it in `npm run test:full`. */
import { TestRunner } from 'vitest';

const TAG = 'full';
/** Whether this run does all of it: whole suites that it alone has are not even named in another one. */
export const isFull: boolean = process.env['CERTBUS_TESTS'] === 'full';

/**
 * What the running test does in this run: `small`, or `full` where `CERTBUS_TESTS=full` is set. Throws a `TypeError` unless the test
 * is tagged, `test(name, { tags: 'full' }, …)`: after `npm test`, CI runs the tests with this tag once more, in full.
 */
export function sized<T>({ small, full }: { readonly small: T; readonly full: T }): T {
  const test = TestRunner.getCurrentTest();
  if (!test?.tags?.includes(TAG))
    throw new TypeError(`Tag the test "${test?.name}" with "${TAG}": it depends on the run.`);
  return isFull ? full : small;
}
