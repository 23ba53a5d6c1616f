/** Makes stores with faults that no command makes, for what commands say about them. */
import { readFileSync } from 'node:fs';
import { openSqliteLog } from '@certbus/store/sqlite';

const STREAM = 'certbus';
/** The published buses with one fault each, one a line. */
const VECTORS = new URL('../../../../packages/events/vectors/refused.jsonl', import.meta.url);

/** Writes past CertBus what comes behind the newest commit of a bus. */
export async function appendPast(file: string, bytesAfter: (newest: string) => string): Promise<void> {
  const log = await openSqliteLog(file);
  const { commits } = await log.read(STREAM, 0, { limit: 1_000 });
  const newest = Buffer.from(commits.at(-1)?.bytes ?? []).toString();
  await log.append(STREAM, commits.length, Buffer.from(bytesAfter(newest)));
  await log.close();
}

/** Takes a commit out of a bus that goes on behind it. */
export async function takeOut(file: string, position: number): Promise<void> {
  const log = await openSqliteLog(file);
  const { commits } = await log.read(STREAM, position - 1, { limit: 1 });
  for (const { bytes } of commits) await log.maintenance?.replace(STREAM, position, { found: bytes, bytes: undefined });
  await log.close();
}

/**
 * Makes the store of a published bus that a verifier must refuse, by its name in `packages/events/vectors`.
 *
 * @returns the text of its `bus.pub`.
 */
export async function makeRefusedBus(file: string, name: string): Promise<string> {
  const line = readFileSync(VECTORS, 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`{"name":"${name}"`));
  if (line === undefined) throw new TypeError(`There is no test vector "${name}".`);
  const { trust, commits } = JSON.parse(line) as {
    readonly trust: string;
    readonly commits: readonly { readonly position: number; readonly bytes: string }[];
  };
  const log = await openSqliteLog(file, { create: true });
  for (const { position, bytes } of commits) await log.append(STREAM, position - 1, Buffer.from(bytes, 'base64'));
  await log.close();
  return trust;
}
