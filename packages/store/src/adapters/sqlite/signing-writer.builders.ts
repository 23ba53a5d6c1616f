import { readFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { parseManagerKey, parseTrust, sha256 } from '@certbus/events';
import type { Checkpoint } from '@certbus/events/history';
import { removed } from '../../bus.builders.ts';
import { openBus } from '../../bus.ts';
import { VersionConflictError } from '../../errors.ts';
import { reporting } from './reporting-log.builders.ts';
import { openSqliteLog } from './sqlite.ts';

/**
 * A manager in a process of its own: verifies what the bus has behind a checkpoint, signs a commit behind that, again and again, and
 * prints each operation, with the hash of a commit as its text.
 */
// A process that is killed does not write at its end what it compiled.
flushCompileCache();
const [, , path = '', name = '', known = ''] = process.argv;
const log = reporting(await openSqliteLog(path), 's', sha256);
const { signer } = parseManagerKey(readFileSync(`${path}.key`, 'utf8'));
const bus = openBus(log, 's', { trust: parseTrust(readFileSync(`${path}.pub`, 'utf8')), signer });
let from: Checkpoint = JSON.parse(known);
for (let n = 0; ; ) {
  try {
    const { checkpoint } = await bus.append(from, [removed(`${name}-${n}`)], { at: new Date() });
    from = checkpoint;
    n += 1;
    // Two writers without a pause would never let each other in.
    await new Promise((resolve) => setTimeout(resolve, 1));
  } catch (error) {
    if (!(error instanceof VersionConflictError)) throw error;
    const page = await bus.read(from, { limit: 10_000, consistent: true });
    if (page.refused) throw page.refused;
    from = page.checkpoint;
  }
}
