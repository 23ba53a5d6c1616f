/** One agent at a folder: of two with different state directories each would remove what the other one puts there. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { cleanLine, sha256 } from '@certbus/events';
import { lockFile } from '@certbus/store/sqlite-files';
import type { NamedTarget } from '../configuration/read-configuration.ts';
import { AgentError } from '../errors.ts';
import { MANIFEST } from '../targets/files/manifest.ts';
import { placeProblem } from '../targets/files/own-place.ts';
import { CURRENT } from '../targets/files/versioned-folder.ts';
import { machineId } from './machine.ts';

/** A folder that an agent feeds, as long as it runs. */
export interface Claim {
  /**
   * Claims the folder, or goes on with it; returns whether it was claimed without a gap since the last time. Throws `CERTBUS_AGENT_TARGET_FAILED` while
   * an agent with another state directory has it. Where it cannot be claimed, as on a file system without locks, it is fed all the same.
   */
  take(): boolean;
  /** Claims a folder that was written for the first time since. Where another agent was quicker, the next {@link Claim.take} says so. */
  takeBegun(): void;
  /** Why it could not be claimed now; `undefined` where it could. Claims nothing. */
  problem(): string | undefined;
  release(): void;
}

/** Held by a process of the agent that feeds the folder. */
const LOCK = '.certbus-agent-lock';
/** Which agent that is: a line to compare, and one to read. */
const OWNER = '.certbus-agent-owner';

/** What all processes of one agent have in common, also in containers that share its state directory, and no other agent has. */
function markOf(stateDirectory: string): string {
  const { dev, ino } = statSync(stateDirectory, { bigint: true });
  return sha256(Buffer.from(JSON.stringify([machineId(), String(dev), String(ino)])));
}

function ownerIn(folder: string): { readonly mark: string; readonly what: string } {
  try {
    const [mark = '', what = ''] = readFileSync(join(folder, OWNER), 'utf8').split('\n');
    return { mark, what: cleanLine(what) };
  } catch {
    return { mark: '', what: '' };
  }
}

/** Makes the claim of the agent with a state directory to the folder of a target, where that has one; nothing is claimed yet. */
export function claimOf(
  { name, folder, sharedVolume }: Pick<NamedTarget, 'name' | 'folder' | 'sharedVolume'>,
  stateDirectory: string,
): Claim | undefined {
  return folder === undefined ? undefined : createClaim({ name, folder, sharedVolume }, stateDirectory);
}

function createClaim(
  { name, folder, sharedVolume }: { name: string; folder: string; sharedVolume: string | undefined },
  stateDirectory: string,
): Claim {
  const [lock, own] = [join(folder, LOCK), markOf(stateDirectory)];
  let held: Disposable | undefined;

  const refusal = (what: string): string =>
    `The folder ${folder} of target "${name}" is fed by another agent that runs${what === '' ? '' : ` (${what})`}, and each would remove what the other one puts there. Stop it, or give this target a folder of its own.`;

  function release(): void {
    held?.[Symbol.dispose]();
    held = undefined;
  }
  /** Whether an agent has written there: until then there is nothing that another one could remove. */
  const isBegun = (): boolean => [folder, join(folder, CURRENT)].some((each) => existsSync(join(each, MANIFEST)));

  /** Takes the lock where it can be had. `unlockable`: nothing is there yet, or the file system has no locks. */
  function tryLock(): Disposable | 'unlockable' | undefined {
    try {
      // Nothing is opened where another user could have put a link: the pass refuses such a folder.
      if (!isBegun() || placeProblem(folder, sharedVolume) !== undefined) return 'unlockable';
      return lockFile(lock, { isOwn: true });
    } catch {
      return 'unlockable';
    }
  }

  /** Takes the folder where it can be had; returns which agent has it, or whether this one had it all the time. */
  function claim(): { readonly isHeld: boolean; readonly other?: string } {
    // Somebody may have removed it with the folder: then it keeps nobody out any more.
    if (held && existsSync(lock)) return { isHeld: true };
    release();
    const found = tryLock();
    if (found === 'unlockable') return { isHeld: true };
    if (found === undefined) {
      const { mark, what } = ownerIn(folder);
      return mark === own ? { isHeld: true } : { isHeld: false, other: what };
    }
    held = found;
    const owner = { mark: own, what: `on ${hostname()}, with its state in ${stateDirectory}` };
    try {
      // A start at which all is in place writes nothing.
      if (!isDeepStrictEqual(ownerIn(folder), owner))
        writeFileSync(join(folder, OWNER), `${owner.mark}\n${owner.what}\n`, { mode: 0o600 });
    } catch {
      // As on a full disk: the lock keeps others out, and "once" of this agent as well.
    }
    return { isHeld: false };
  }

  return {
    take() {
      const { isHeld, other } = claim();
      if (other === undefined) return isHeld;
      throw new AgentError('CERTBUS_AGENT_TARGET_FAILED', refusal(other));
    },
    takeBegun: () => void claim(),
    problem() {
      if (held || !existsSync(lock)) return undefined;
      const found = tryLock();
      if (found !== undefined) {
        if (found !== 'unlockable') found[Symbol.dispose]();
        return undefined;
      }
      const { mark, what } = ownerIn(folder);
      return mark === own ? undefined : refusal(what);
    },
    release,
  };
}
