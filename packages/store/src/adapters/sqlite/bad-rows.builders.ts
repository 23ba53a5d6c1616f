/** Puts what no append writes into a bus file, as somebody could who can write to it. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { MAX_COMMIT_BYTES } from '../../log.ts';

interface Values {
  readonly stream: SQLInputValue;
  readonly position: SQLInputValue;
  readonly bytes: SQLInputValue;
}

const commit = Buffer.from('forged');

/** Each with one value that is not what its column holds. */
const KINDS: Readonly<Record<string, (stream: string, position: number) => Partial<Values>>> = {
  'a position of 2^53': () => ({ position: 2n ** 53n }),
  'the largest integer as a position': () => ({ position: 2n ** 63n - 1n }),
  'a position of zero': () => ({ position: 0n }),
  'a negative position': (_, position) => ({ position: BigInt(-position) }),
  'the smallest integer as a position': () => ({ position: -(2n ** 63n) }),
  'a position between two': (_, position) => ({ position: position + 0.5 }),
  'a position as a real number': (_, position) => ({ position }),
  'an infinite position': () => ({ position: Number.POSITIVE_INFINITY }),
  'a position in text': (_, position) => ({ position: `${position}` }),
  'a position in bytes': (_, position) => ({ position: Buffer.from([position]) }),
  'no position': () => ({ position: null }),
  'a commit in text': () => ({ bytes: 'forged' }),
  'an integer for a commit': () => ({ bytes: 2n ** 60n }),
  'a real number for a commit': () => ({ bytes: 0.5 }),
  'no commit': () => ({ bytes: null }),
  'a commit over the limit': () => ({ bytes: Buffer.alloc(MAX_COMMIT_BYTES + 1, 0x20) }),
  'a stream in bytes': (stream) => ({ stream: Buffer.from(stream) }),
  'an integer for a stream': () => ({ stream: 7n }),
  'no stream': () => ({ stream: null }),
};

/** What {@link putBadRow} can put. */
export const BAD_ROWS: readonly string[] = Object.keys(KINDS);

/** Runs `work` while the table takes a value of any type in any column. */
function withoutTypes(path: string, work: (database: DatabaseSync) => void): void {
  const alter = (sql: string) => {
    const database = new DatabaseSync(path, { defensive: false });
    const { version } = database.prepare('SELECT schema_version AS version FROM pragma_schema_version').get() ?? {};
    database.exec('PRAGMA writable_schema = ON');
    database.prepare("UPDATE sqlite_schema SET sql = ? WHERE name = 'commits'").run(sql);
    // Others, and this one the next time, read the schema again.
    database.exec(`PRAGMA schema_version = ${Number(version) + 1}`);
    database.close();
  };
  const database = new DatabaseSync(path);
  const sql = String(database.prepare("SELECT sql FROM sqlite_schema WHERE name = 'commits'").get()?.['sql']);
  database.close();
  alter('CREATE TABLE commits (stream, position, bytes, UNIQUE (stream, position))');
  const untyped = new DatabaseSync(path);
  work(untyped);
  untyped.close();
  alter(sql);
}

/** Puts a row of a kind into a stream, at a position, in the place of what is there, or as near to it as it can be. */
export function putBadRow(path: string, kind: string, stream: string, position: number): void {
  // A number is bound as a real one, and the column has no type here.
  const values: Values = { stream, position: BigInt(position), bytes: commit, ...KINDS[kind]?.(stream, position) };
  withoutTypes(path, (database) => {
    database
      .prepare('INSERT OR REPLACE INTO commits VALUES (?, ?, ?)')
      .run(values.stream, values.position, values.bytes);
  });
}

/** Writes into the row that says where a stream begins. */
export function putFirst(path: string, stream: string, first: SQLInputValue): void {
  const database = new DatabaseSync(path);
  database.prepare('INSERT OR REPLACE INTO streams VALUES (?, ?)').run(stream, first);
  database.close();
}
