import { fork } from 'node:child_process';
import { on } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { sha256 } from '@certbus/events';
import { MAX_PAGE_BYTES } from '@certbus/store';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { createTestBus, type TestBus } from './testing.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const PROCESS = fileURLToPath(new URL('./counting-process.builders.ts', import.meta.url));
const COUNTING = new URL('./counting.builders.ts', import.meta.url).href;
const COUNT = 150;
let files = 0;

/** What the client's process tells. */
interface Report {
  readonly started?: number;
  readonly changed?: number;
  readonly code: string;
  readonly position: number;
  readonly parsed: number;
  readonly pages: readonly number[];
  readonly checked: { readonly main: number; readonly elsewhere: number };
  readonly isServing: boolean;
}

/** A bus in a file with one certificate, and the bytes of its last commit. */
async function begin() {
  files += 1;
  const path = join(folder.path, `bus${files}.db`);
  const address = `sqlite:${path}#test`;
  const bus = await createTestBus({ address });
  onTestFinished(() => bus.close());
  await bus.issue(['a.test']);
  const database = new DatabaseSync(path);
  onTestFinished(() => database.close());
  const { position, bytes } =
    database.prepare('SELECT position, bytes FROM commits ORDER BY position DESC').get() ?? {};
  return { address, bus, database, head: Number(position), last: Buffer.from(bytes as Uint8Array) };
}

function startClient({ address, bus }: { readonly address: string; readonly bus: TestBus }) {
  const state = join(folder.path, `state${files}`);
  const child = fork(PROCESS, [address, bus.identity, bus.trust, state], {
    // Every thread of the process has the conditions and the counting of the process.
    execArgv: ['--conditions=certbus:source', '--import', COUNTING],
  });
  onTestFinished(() => void child.kill());
  const messages = on(child, 'message', { signal: AbortSignal.timeout(280_000) });
  return async (isWanted: (report: Report) => boolean): Promise<Report> => {
    for (;;) {
      const { value } = (await messages.next()) as { value: readonly Report[] };
      if (value[0] && isWanted(value[0])) return value[0];
    }
  };
}

const isStart = ({ started }: Report): boolean => started !== undefined;
const isChange = ({ changed }: Report): boolean => changed !== undefined;
const isRefusal = ({ code }: Report): boolean => code !== undefined;

/** Linked commits that nobody signed, put into the file past the log. */
function putUnsigned(
  database: DatabaseSync,
  { head, last, size, keyId }: { head: number; last: Buffer; size: number; keyId: string },
) {
  const insert = database.prepare('INSERT INTO commits (stream, position, bytes) VALUES (?, ?, ?)');
  const { bus, by } = JSON.parse(last.toString().split('\n')[0] ?? '');
  let previous = sha256(last);
  database.exec('BEGIN');
  for (let position = head + 1; position <= head + COUNT; position += 1) {
    // Many small values: parsing takes a hundred times their size.
    const events = [{ type: 'Unknown', values: Array.from({ length: Math.floor(size / 3) - 400 }, () => []) }];
    const id = Buffer.alloc(16, position).toString('base64url');
    const line = JSON.stringify({ format: 1, bus, id, position, previous, at: new Date().toISOString(), by, events });
    const bytes = Buffer.from(`${line}\n${keyId} ${'A'.repeat(86)}\n`);
    insert.run('test', position, bytes);
    previous = sha256(bytes);
  }
  database.exec('COMMIT');
}

test.each([
  ['of a key that nobody knows', 290_000, 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE', () => '0123456789abcdef'],
  [
    "in a manager's name",
    290_000,
    'CERTBUS_EVENTS_SIGNATURE_INVALID',
    (last: Buffer) => last.toString().split('\n')[1]?.slice(0, 16),
  ],
  ['of 400 KB', 400_000, 'CERTBUS_STORE_DAMAGED', () => '0123456789abcdef'],
])(
  '150 unsigned commits %s cost a client a page a look, not on its main thread, and no parsing; a repaired bus is taken up',
  async (_, size, code, keyOf) => {
    const { address, bus, database, head, last } = await begin();
    const next = startClient({ address, bus });
    expect((await next(isStart)).started).toBe(head);
    putUnsigned(database, { head, last, size, keyId: keyOf(last) ?? '' });
    // The first one is the alarm; the looks behind it find the same bytes.
    expect((await next(isRefusal)).code).toBe(code);
    const { parsed, pages, checked, ...report } = await next(isRefusal);
    expect(report).toMatchObject({ code, position: head, isServing: true });
    for (const page of pages) expect(page).toBeLessThanOrEqual(MAX_PAGE_BYTES + 300_000);
    expect(parsed).toBe(0);
    expect(checked).toMatchObject({ main: 0, elsewhere: expect.any(Number) });
    expect(checked.elsewhere).toBeGreaterThan(pages.length);
    database.prepare('DELETE FROM commits WHERE position > ?').run(head);
    await bus.issue(['b.test']);
    expect((await next(isChange)).changed).toBe(head + 1);
  },
);
