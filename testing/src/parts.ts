import { findDynamoDbLocal, missingDynamoDbLocal } from './dynamodb-local.ts';
import { findPebble, missingPebble } from './pebble-programs.ts';

/** A real service that some tests need. */
export type Part = 'pebble' | 'dynamodb-local';

const missing: Readonly<Record<Part, () => string | undefined>> = {
  pebble: missingPebble,
  'dynamodb-local': missingDynamoDbLocal,
};

/**
 * Whether a suite that needs a part is skipped, and why: `describe.skipIf(part.skip)(part.title('…'), …)`. In CI nothing is
 * ever skipped: there the suite fails, with the same reason.
 */
export function requirePart(part: Part): {
  readonly skip: boolean;
  readonly reason: string;
  title(text: string): string;
} {
  const reason = missing[part]() ?? '';
  const skip = reason !== '' && !process.env['CI'];
  return { skip, reason, title: (text) => (skip ? `${text} (skipped: ${reason})` : text) };
}

/** Installs every part that this machine can have, so that no test's time goes into it. */
export async function installParts(): Promise<void> {
  if (!missingPebble()) await findPebble();
  if (!missingDynamoDbLocal()) await findDynamoDbLocal();
}
