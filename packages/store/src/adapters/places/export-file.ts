/** The file of an export: blocks of commits that are appended and read. */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import * as v from 'valibot';
import { packCommits, unpackCommits } from '../../archive/commit-blocks.ts';
import { StoreError } from '../../errors.ts';
import type { StoredCommit } from '../../log.ts';
import { type ExportFile, exportRefused } from '../../recovery/export-port.ts';
import { describeFileProblem } from '../file-problem.ts';
import { openRegular } from '../regular-file.ts';
import { lockFile } from './file-lock.ts';

/** A skippable frame of zstd (RFC 8878 section 3.1.2): `zstd -d` passes it over, so the file reads as the log's text. */
const SKIPPABLE = 0x184d2a50;
const MAX_BLOCK = 64_000_000;
/** Codes of a write that fails because a disk, a user's quota or a file may not grow. */
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const labelSchema = v.object({
  first: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  last: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** Bytes of the compressed block that follows. */
  bytes: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_BLOCK)),
});
type Label = v.InferOutput<typeof labelSchema>;

function formatLabel(label: Label): Uint8Array {
  const json = Buffer.from(JSON.stringify(label));
  const head = Buffer.alloc(8);
  head.writeUInt32LE(SKIPPABLE, 0);
  head.writeUInt32LE(json.length, 4);
  return Buffer.concat([head, json]);
}

function noBlock(offset: number): string {
  return offset === 0
    ? 'this file is not an export: it does not begin as what "certbus bus export" writes'
    : `no block begins at byte ${offset}: the file is damaged from there on`;
}

/** `length` bytes from an offset on; `undefined` where the file ends before. */
async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer | undefined> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return bytes;
}

/** Refuses a file that is too short for a label and does not begin as one: it is another file, and no run left it unfinished. */
async function checkBeginning(file: FileHandle): Promise<void> {
  const begun = Buffer.alloc(4);
  begun.writeUInt32LE(SKIPPABLE);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
  if (!buffer.subarray(0, bytesRead).equals(begun.subarray(0, bytesRead))) throw exportRefused(noBlock(0));
}

async function readLabel(file: FileHandle, offset: number): Promise<{ label: Label; size: number } | undefined> {
  const head = await readAt(file, offset, 8);
  if (!head && offset === 0) await checkBeginning(file);
  if (!head) return undefined;
  const size = head.readUInt32LE(4);
  if (head.readUInt32LE(0) !== SKIPPABLE || size > 1_000) throw exportRefused(noBlock(offset));
  const json = await readAt(file, offset + 8, size);
  if (!json) return undefined;
  try {
    return { label: v.parse(labelSchema, JSON.parse(json.toString())), size: 8 + size };
  } catch (cause) {
    throw exportRefused(`the label of the block at byte ${offset} is damaged`, cause);
  }
}

async function readBlock(file: FileHandle, offset: number, { first, last, bytes }: Label) {
  const block = await readAt(file, offset, bytes);
  if (!block) return undefined;
  const commits = await unpackCommits(block, first).catch((cause: unknown) => {
    throw exportRefused(`the block of positions ${first} to ${last} is damaged`, cause);
  });
  if (commits.at(-1)?.position !== last) throw exportRefused(`a block does not hold positions ${first} to ${last}`);
  return commits;
}

function unreadable(path: string, what: string, cause: unknown): StoreError {
  const message = `The export ${path} ${what}: ${describeFileProblem(cause, path)}.`;
  return new StoreError('CERTBUS_STORE_EXPORT_UNREADABLE', message, { cause });
}

/** What an error of a write means for an export. */
function writeFailed(path: string, cause: unknown): StoreError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (!NO_ROOM.has(code)) return unreadable(path, 'cannot be written', cause);
  const what = `The export ${path} does not fit on its disk any more, or is larger than this user's files can be. Make room and run the same export again: what is whole in the file is kept.`;
  return new StoreError('CERTBUS_STORE_FULL', what, { cause });
}

function takeLock(path: string): Disposable {
  let lock: Disposable | undefined;
  try {
    lock = lockFile(`${path}.lock`);
  } catch (cause) {
    throw unreadable(path, 'cannot be locked', cause);
  }
  if (lock) return lock;
  const what = `Another process is writing to the export ${path}. Wait until it has ended, or name another file: two at once would damage it.`;
  throw new StoreError('CERTBUS_STORE_EXPORT_BUSY', what);
}

const APPEND: number = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT;

async function openFile(path: string, flags: number): Promise<FileHandle> {
  try {
    return await openRegular(path, flags, 0o600);
  } catch (cause) {
    throw unreadable(path, 'cannot be opened', cause);
  }
}

/** An export's file that is open. */
interface OpenExport {
  readonly path: string;
  readonly file: FileHandle;
  /** Where the last whole block ends that was read or written. */
  end: number;
  isTorn: boolean;
}

async function* blocksOf(opened: OpenExport): AsyncIterable<readonly StoredCommit[]> {
  const { file } = opened;
  opened.end = 0;
  opened.isTorn = false;
  const { size: whole } = await file.stat();
  while (opened.end < whole) {
    const found = await readLabel(file, opened.end);
    const commits = found && (await readBlock(file, opened.end + found.size, found.label));
    if (!commits) {
      opened.isTorn = true;
      return;
    }
    opened.end += found.size + found.label.bytes;
    yield commits;
  }
}

async function appendBlock(opened: OpenExport, commits: readonly StoredCommit[]): Promise<void> {
  const { path, file, end } = opened;
  const [first] = commits;
  const last = commits.at(-1);
  if (!first || !last) return;
  const block = await packCommits(commits);
  const label = formatLabel({ first: first.position, last: last.position, bytes: block.length });
  const bytes = Buffer.concat([label, block]);
  try {
    // What an interrupted run left unfinished.
    await file.truncate(end);
    await file.appendFile(bytes);
    await file.sync();
  } catch (error) {
    throw writeFailed(path, error);
  }
  opened.end = end + bytes.length;
}

/**
 * Opens an export's file; with `create` to write to it, as the one process that does, until it is closed: it is made, readable by
 * this user only, where it does not exist, and a file `PATH.lock` stays next to it. Rejects `CERTBUS_STORE_EXPORT_UNREADABLE`, and
 * `CERTBUS_STORE_EXPORT_BUSY` while another process writes to it.
 *
 * Appending rejects `CERTBUS_STORE_FULL` where there is no room, and `CERTBUS_STORE_EXPORT_UNREADABLE`; the same export run again
 * goes on behind the last whole block.
 */
export async function openExportFile(
  path: string,
  { create = false }: { readonly create?: boolean } = {},
): Promise<ExportFile> {
  const lock = create ? takeLock(path) : undefined;
  const file = await openFile(path, create ? APPEND : constants.O_RDONLY).catch((error: unknown) => {
    lock?.[Symbol.dispose]();
    throw error;
  });
  const opened: OpenExport = { path, file, end: 0, isTorn: false };
  return {
    blocks: () => blocksOf(opened),
    get isTorn() {
      return opened.isTorn;
    },
    append: (commits) => appendBlock(opened, commits),
    async close() {
      await file.close();
      lock?.[Symbol.dispose]();
    },
  };
}
