/** Begins first what takes longest at full counts: a file that is begun last has the other cores wait. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take more than a minute at full counts, longest first. */
const LONGEST = [
  'packages/runtime/src/tests/signals.int.test.ts',
  'apps/lambda/src/handler.int.test.ts',
  'packages/client/src/tests/renewals-under-load.test.ts',
  'packages/manager/src/state/spending.property.test.ts',
  'packages/replica/src/checking/bit-flips.test.ts',
  'packages/replica/src/expulsion.test.ts',
  'packages/client/src/tests/killed-replays.test.ts',
  'packages/store/src/adapters/dynamodb/dynamodb.int.test.ts',
  'apps/cli/src/transcripts/transcripts.int.test.ts',
  'packages/client/src/bundled.int.test.ts',
  'packages/store/src/adapters/dynamodb/dynamodb.model.int.test.ts',
  'packages/manager/src/renewal/mass-renewal.test.ts',
  'packages/acme/src/tests/hostile.test.ts',
  'packages/manager/src/issuance/bus-failures.int.test.ts',
];

/** Sorts files. How long one took before says little: that was at small counts. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.findIndex((file) => moduleId.endsWith(`/${file}`));
      return place < 0 ? LONGEST.length : place;
    };
    return (await super.sort(files)).toSorted((one, other) => placeOf(one) - placeOf(other));
  }
}
