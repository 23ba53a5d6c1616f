/** Finds out whether any server name has certificates of several key types: only then are ClientHellos worth reading. */
import type { MaterialSource } from '../serving/material-source.ts';

/** Whether ClientHellos are worth reading. Reading one costs a fifth of a handshake. */
export interface KeyTypeScan {
  /** True while that is not known, and once a name with several key types was found. */
  isNeeded(): boolean;
  /** A name with several key types was seen. */
  found(): void;
  /** Takes the names of a certificate that changed. */
  look(names: readonly string[]): void;
  /** Begins again: everything may be different. */
  begin(): void;
}

const PAGE = 1_000;
const PAUSE_MS = 25;

/** A server name that a name of a certificate covers. */
const coveredBy = (name: string): string => name.replace(/^\*/, 'any');

/** Begins to look through all names, a page of them at once and the others in slices, until `signal` ends. */
export function scanKeyTypes(
  source: Pick<MaterialSource, 'sharedNames' | 'isShared' | 'ranking'>,
  signal: AbortSignal,
): KeyTypeScan {
  let state: 'looking' | 'found' | 'none' = 'looking';
  let timer: NodeJS.Timeout | undefined;
  const hasKeyTypes = (name: string) => source.ranking(coveredBy(name)).hasKeyTypes;

  function lookAt(after: string): void {
    if (signal.aborted || state !== 'looking') return;
    try {
      const { names, last } = source.sharedNames(after, PAGE);
      if (names.some(hasKeyTypes)) state = 'found';
      else if (last === undefined) state = 'none';
      else timer = setTimeout(lookAt, PAUSE_MS, last).unref();
    } catch {
      // A replica that cannot be read shows nothing of the kind: hellos are read, to be on the safe side.
      state = 'found';
    }
  }

  const scan: KeyTypeScan = {
    isNeeded: () => state !== 'none',
    found() {
      state = 'found';
    },
    look(names) {
      if (state === 'found') return;
      try {
        if (names.some((name) => source.isShared(name) && hasKeyTypes(name))) state = 'found';
      } catch {
        state = 'found';
      }
    },
    begin() {
      clearTimeout(timer);
      state = 'looking';
      lookAt('');
    },
  };
  scan.begin();
  return scan;
}
