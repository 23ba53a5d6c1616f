/**
 * Writes the test vectors again, with fresh keys: `node packages/events/vectors/make.ts`, whenever an event type or a field was added.
 * The private halves of the keys never leave this process.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ACCEPTED } from '../src/vectors/accepted.builders.ts';
import { REFUSED } from '../src/vectors/refused.builders.ts';
import { makeVector } from '../src/vectors/vector.builders.ts';
import { createWorld } from '../src/vectors/world.builders.ts';

const world = await createWorld();
for (const [file, recipes] of Object.entries({ accepted: ACCEPTED, refused: REFUSED })) {
  const lines = recipes.map((recipe) => `${JSON.stringify(makeVector(recipe, world))}\n`);
  writeFileSync(join(import.meta.dirname, `${file}.jsonl`), lines.join(''));
  console.log(`wrote ${lines.length} vectors to ${file}.jsonl`);
}
