import { randomBytes } from 'node:crypto';
import { VersionConflictError } from '@certbus/store';
import { openSqliteLog } from '@certbus/store/sqlite';

/** A writer among others: told a number, it appends so many commits behind whatever is the head, and says where they are. */
const [, , path = '', size = '0'] = process.argv;
const log = await openSqliteLog(path);
let head = 0;

async function readToEnd(): Promise<void> {
  for (;;) {
    const { commits, end } = await log.read('s', head);
    head = commits.at(-1)?.position ?? head;
    if (end) return;
  }
}

async function append(): Promise<number> {
  for (;;) {
    try {
      head = await log.append('s', head, randomBytes(Number(size)));
      return head;
    } catch (error) {
      if (!(error instanceof VersionConflictError)) throw error;
      await readToEnd();
    }
  }
}

async function appendMany(count: number): Promise<void> {
  const positions: number[] = [];
  while (positions.length < count) positions.push(await append());
  process.send?.(positions);
}

process.on('message', (count: number) => void appendMany(count));
process.on('disconnect', () => void log.close());
process.send?.('ready');
