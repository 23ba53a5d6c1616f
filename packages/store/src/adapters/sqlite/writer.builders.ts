import { existsSync, writeFileSync } from 'node:fs';
import { reporting } from './reporting-log.builders.ts';
import { openSqliteLog } from './sqlite.ts';

/**
 * A writer in a process of its own: appends behind the head, whatever it is, without end or so many times, and prints each operation.
 * It makes the bus where there is none. With a gate it makes a file `GATE.NAME` and waits until there is a file `GATE`, and ends once there is
 * one `GATE.end`.
 */
const [, , path = '', name = '', most = '1000000', gate] = process.argv;
const log = reporting(await openSqliteLog(path, { create: true }), 's', (bytes) => Buffer.from(bytes).toString());
if (gate) {
  writeFileSync(`${gate}.${name}`, '');
  while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 5));
}
let head = 0;
for (let n = 0; n < Number(most) && !(gate && existsSync(`${gate}.end`)); ) {
  try {
    head = await log.append('s', head, Buffer.from(`${name}:${n}`));
    n += 1;
    // Two writers without a pause would never let each other in.
    await new Promise((resolve) => setTimeout(resolve, 1));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'CERTBUS_STORE_VERSION_CONFLICT')) throw error;
    const { commits } = await log.read('s', head, { limit: 10_000 });
    head = commits.at(-1)?.position ?? head;
  }
}
