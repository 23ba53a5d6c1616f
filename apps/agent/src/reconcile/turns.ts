/** One pass over a target at a time among the agents of one state folder: "once" may run next to the service, and two would write over each other. */
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockFile, makeFolders } from '@certbus/store/sqlite-files';
import { type NamedTarget, placeOf } from '../configuration/read-configuration.ts';

/** The right to change a target, until it is given back. */
export interface Turn {
  /** Whether no other process had a turn since the last one of this one: what is known of the target still holds. */
  readonly isNext: boolean;
  end(): void;
}

const LOOK_MS = 100;
/** Where turns cannot be kept, as on a disk that is full, certificates are put all the same. */
const UNKEPT: Turn = { isNext: true, end() {} };

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Where the turns at a target are kept, in the state directory of its agent. */
export const turnsOf = (stateDirectory: string, target: string): string => join(stateDirectory, 'turns', target);

/** The first target of the same HAProxy, or the target itself. HAProxy has one open change for all its certificates, so that its targets take turns. */
function firstOfSame(target: NamedTarget, targets: readonly NamedTarget[]): NamedTarget {
  if (target.type !== 'haproxy') return target;
  const place = placeOf(target.socket);
  return targets.find((each) => each.type === 'haproxy' && placeOf(each.socket) === place) ?? target;
}

/** Makes what takes turns at one of the targets of an agent, see {@link createTurns}. */
export function turnsAt(
  stateDirectory: string,
  target: NamedTarget,
  targets: readonly NamedTarget[],
): (signal: AbortSignal) => Promise<Turn> {
  const shared = firstOfSame(target, targets);
  return createTurns(turnsOf(stateDirectory, target.name), turnsOf(stateDirectory, shared.name));
}

/**
 * Makes what takes turns at a target with all processes that name the same folder. Taking one rejects with the signal's reason alone.
 *
 * @param shared the folder of another target, with which it takes turns as well.
 */
export function createTurns(folder: string, shared = folder): (signal: AbortSignal) => Promise<Turn> {
  const me = randomUUID();
  const note = join(folder, 'last');

  /** Whether this process had the last turn; now it has. */
  function isMine(): boolean {
    if (textOf(note) === me) return true;
    try {
      writeFileSync(note, me, { mode: 0o600 });
    } catch {
      // As on a full disk: what is known of the target is read again then, each time.
    }
    return false;
  }

  /** `undefined` while another one has it. */
  function tryTake(): Turn | undefined {
    try {
      for (const each of [folder, shared]) makeFolders(each, { mode: 0o700 });
      const held = lockFile(join(shared, 'lock'), { isOwn: true });
      return held && { isNext: isMine(), end: () => held[Symbol.dispose]() };
    } catch {
      return UNKEPT;
    }
  }
  return async (signal) => {
    for (;;) {
      signal.throwIfAborted();
      const turn = tryTake();
      if (turn) return turn;
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
    }
  };
}
