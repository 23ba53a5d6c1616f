/** Keeps on the machine with the root key what it signed last, so that it does not sign two changes for one place. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@certbus/events';
import { formatReply, parseReply, type RootReply } from '@certbus/manager';
import { RuntimeError } from './errors.ts';
import { makeFolder, readOwnFile, replaceFile, writeNew } from './key-files.ts';

const WHAT = 'The record of what the root has signed';

/** What a root signed last on this machine. */
export interface RootJournal {
  /** `undefined` where nothing was signed here yet. */
  readonly last: RootReply | undefined;
  /** Keeps what is about to be handed out, on the disk. */
  keep(reply: RootReply): void;
}

/** Opens the record of a bus in a state directory. Throws `CERTBUS_CLI_FILE_UNREADABLE` for one that is damaged. */
export function openRootJournal(stateDirectory: string, busId: string): RootJournal {
  const path = join(
    stateDirectory,
    `root-${Buffer.from(sha256(Buffer.from(busId)), 'base64url')
      .toString('hex')
      .slice(0, 16)}.json`,
  );
  const read = (): RootReply | undefined => {
    if (!existsSync(path)) return undefined;
    const text = readOwnFile(path, WHAT);
    try {
      return parseReply(text);
    } catch (cause) {
      const why = `${path} is damaged. Compare "certbus bus log --type ManagersUpdated --type RecipientsUpdated" with what you signed, then remove the file`;
      throw new RuntimeError('CERTBUS_CLI_FILE_UNREADABLE', `${WHAT} cannot be used: ${why}.`, { cause });
    }
  };
  return {
    last: read(),
    keep(reply) {
      const text = formatReply(reply);
      makeFolder(stateDirectory);
      if (!writeNew(path, text, { isSecret: false })) replaceFile(path, text);
    },
  };
}
