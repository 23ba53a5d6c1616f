/** Keeps on the machine with the root key what it signed last, so that it does not sign two changes for one place. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@certbus/events';
import { formatReply, ManagerError, parseReply, type RootReply } from '@certbus/manager';
import { lockFile } from '@certbus/store/sqlite-files';
import { RuntimeError } from './errors.ts';
import { makeFolder, readOwnFile, replaceFile, writeNew } from './key-files.ts';

const WHAT = 'The record of what the root has signed';

/** What a root has signed on this machine. */
export interface SignedByRoot {
  /** What it signed last. */
  readonly last: RootReply;
  /** The last place that it signed a change for, also where the one that it signed last is shorter and took its place. */
  readonly upTo: number;
}

/** The record of what a root has signed. */
export interface RootJournal {
  /** What is in it at this moment; `undefined` where nothing was signed here yet. Throws as {@link openRootJournal}. */
  read(): SignedByRoot | undefined;
  /**
   * Keeps what is about to be handed out, on the disk, unless `check` throws for what is in the record. No other process of this machine keeps
   * anything in between. Throws what `check` throws, `CERTBUS_MANAGER_REQUEST_REFUSED` while another process keeps something, and as
   * {@link openRootJournal}.
   */
  keep(reply: RootReply, check: (signed: SignedByRoot | undefined) => void): void;
}

const lastPlace = ({ rootEvents }: RootReply): number => rootEvents.at(-1)?.rootSequence ?? 0;

/** A line with the last place, and the reply behind it. */
function parseJournal(text: string): SignedByRoot {
  const [first = ''] = text.split('\n', 1);
  const last = parseReply(text.slice(first.length));
  const upTo = /^\d{1,15}$/.test(first) ? Number(first) : 0;
  if (upTo < lastPlace(last)) throw new TypeError('its first line is not the last place');
  return { last, upTo };
}

/** Takes the lock of a record, which another process has for an instant only. */
function takeLock(path: string): Disposable {
  const lock = lockFile(`${path}.lock`, { isOwn: true });
  if (lock) return lock;
  const what =
    'Another "certbus root sign" is recording on this machine what it signed. Nothing was signed here: run this again.';
  throw new ManagerError('CERTBUS_MANAGER_REQUEST_REFUSED', what);
}

/** Opens the record of a bus in a state directory. Throws `CERTBUS_CLI_FILE_UNREADABLE` for one that is damaged. */
export function openRootJournal(stateDirectory: string, busId: string): RootJournal {
  const path = join(
    stateDirectory,
    `root-${Buffer.from(sha256(Buffer.from(busId)), 'base64url')
      .toString('hex')
      .slice(0, 16)}.json`,
  );
  const read = (): SignedByRoot | undefined => {
    if (!existsSync(path)) return undefined;
    const text = readOwnFile(path, WHAT);
    try {
      return parseJournal(text);
    } catch (cause) {
      const why = `${path} is damaged. Compare "certbus bus log --type ManagersUpdated --type RecipientsUpdated" with what you signed, then remove the file`;
      throw new RuntimeError('CERTBUS_CLI_FILE_UNREADABLE', `${WHAT} cannot be used: ${why}.`, { cause });
    }
  };
  read();
  return {
    read,
    keep(reply, check) {
      makeFolder(stateDirectory);
      const lock = takeLock(path);
      try {
        const signed = read();
        check(signed);
        const text = `${Math.max(signed?.upTo ?? 0, lastPlace(reply))}\n${formatReply(reply)}`;
        if (!writeNew(path, text, { isSecret: false })) replaceFile(path, text);
      } finally {
        lock[Symbol.dispose]();
      }
    },
  };
}
