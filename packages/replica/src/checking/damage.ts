/** What is found damaged in a replica while it is read, and what is done about it. */
import { ReplicaError } from '../errors.ts';
import type { Replaced } from '../writer/file.ts';
import type { News } from '../writer/keeper.ts';
import { damaged, damageOf } from './digest.ts';

/** What was found damaged in a replica's file since this process opened it. */
export interface Damage {
  /** How often a row or a page did not read. */
  readonly found: number;
  /** The damaged or foreign file that another took the place of last. */
  readonly replaced: Replaced | undefined;
}

/** Watches over damage. */
export interface DamageWatch {
  readonly damage: Damage;
  /** Whether damage was found in the file that is in place. */
  readonly isDamaged: boolean;
  /** Takes damage that a reader met; the file is replaced, where this process may write it. */
  note(error: unknown): void;
  /** Takes that a file was replaced. */
  replaced(done: Replaced): void;
  /** Takes that another file is in place. */
  reopened(): void;
  /** Takes what else happened to the file. */
  happened(error: ReplicaError): void;
  /** Reports each problem once, those of before at once. */
  listen(listener: (error: ReplicaError) => void): void;
}

const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 3_600_000;

function describe(path: string, { aside, salvage }: Replaced): string {
  if (!salvage)
    return `the file ${path} was damaged as a whole or is not of this release, and the bus is read again; it is ${aside} now`;
  const { kept, lost } = salvage;
  return `of the certificates in ${path}, ${kept} passed the check and stay in use, and ${lost} ${lost === 1 ? 'was' : 'were'} lost; the bus is read again as soon as it answers. Look at the disk; the damaged file is ${aside} now`;
}

/** Makes a watch over a file. `mend` replaces it, and is `undefined` where another process writes it. */
export function watchDamage(path: string, mend: () => (() => Promise<void>) | undefined): DamageWatch {
  let found = 0;
  let isDamaged = false;
  let last: Replaced | undefined;
  let listener: ((error: ReplicaError) => void) | undefined;
  const unreported: ReplicaError[] = [];
  let isReported = false;
  let isMending = false;
  let failures = 0;
  let mendAt = 0;

  function report(error: ReplicaError): void {
    if (listener) listener(error);
    else unreported.push(error);
  }

  async function tryMend(replace: () => Promise<void>): Promise<void> {
    isMending = true;
    try {
      await replace();
      failures = 0;
    } catch (error) {
      mendAt = performance.now() + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
      failures += 1;
      report(damaged(`what can be read of ${path} could not be copied to a new file, and is served as it is`, error));
    }
    isMending = false;
  }

  return {
    get damage() {
      return { found, replaced: last };
    },
    get isDamaged() {
      return isDamaged;
    },
    note(error) {
      found += 1;
      isDamaged = true;
      const replace = mend();
      if (!replace && !isReported) {
        isReported = true;
        report(damageOf(error));
      }
      if (replace && !isMending && performance.now() >= mendAt) void tryMend(replace);
    },
    replaced(done) {
      last = done;
      isReported = false;
      isDamaged = false;
      report(damaged(describe(path, done)));
    },
    reopened() {
      isDamaged = false;
    },
    happened: report,
    listen(listen) {
      listener = listen;
      for (const error of unreported.splice(0)) listen(error);
    },
  };
}

/** Another process writes the replica now. Nothing in the file is damaged. */
function overtaken(path: string, isLockGone: boolean): ReplicaError {
  const why = isLockGone
    ? `The lock of ${path} was removed, and another process has taken one in its place. Look who removed it.`
    : `Another process could write ${path} before this one could again.`;
  return new ReplicaError(
    'CERTBUS_REPLICA_FAILED',
    `${why} That process follows the bus for this machine now, and this one reads what it writes.`,
  );
}

function madeAgain(path: string, aside: string | undefined): ReplicaError {
  const where = aside === undefined ? '' : ` What was put there is ${aside} now.`;
  return damaged(
    `the file ${path} was removed or replaced while it was in use; it was made again.${where} Look who did that`,
  );
}

/** Takes what a writer reports without being asked. */
export function takeNews(watch: DamageWatch, path: string, news: News): void {
  if (news.kind === 'replaced') watch.replaced({ aside: news.aside, salvage: news.salvage });
  else if (news.kind === 'damaged') watch.note(damaged(news.message));
  else if (news.kind === 'overtaken') watch.happened(overtaken(path, news.isLockGone));
  else watch.happened(madeAgain(path, news.aside));
}
