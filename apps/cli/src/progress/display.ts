/** Where the progress of issuances goes: rows that are drawn again and again on a terminal, lines anywhere else. */
import type { Progress } from '@certbus/manager';
import type { Board } from './board.ts';
import { createTracker, type Ending, lineOf } from './steps.ts';

/** Shows what issuances are doing. */
export interface Display {
  /** Takes a step of any issuance. */
  onProgress(progress: Progress): void;
  /** Reports how far a run of many is. */
  headline(text: string): void;
  /** Prints a line of data: at once, or once the rows are gone where both are on one terminal. */
  data(line: string): void;
  /** Takes the rows away, and prints what was held back. What has not ended is shown as failed. */
  close(): Promise<void>;
}

/** What a display is made of. */
export interface DisplayOptions {
  /** The rows of a terminal; `undefined` for lines. */
  readonly board: Board | undefined;
  /** Whether data goes to the terminal that the rows are on. */
  readonly isShared: boolean;
  /** Prints a line about what goes on, with what it is about for programs. */
  readonly progress: (line: string, fields?: Readonly<Record<string, unknown>>) => void;
  /** Prints a line of data. */
  readonly data: (line: string) => void;
  readonly now: () => Date;
}

/** Shows progress on a board where there is one, else a line for each step. */
export function createDisplay({ board, isShared, progress, data, now }: DisplayOptions): Display {
  const tracker = createTracker(now);
  const held: string[] = [];

  function end(certificateId: string, ending: Ending): void {
    tracker.end(certificateId);
    board?.end(certificateId, ending);
  }

  return {
    onProgress(step) {
      const { certificateId, names } = step;
      const shown = tracker.take(step);
      if (shown && board) board.show(shown);
      else if (shown) {
        const elapsedMs = now().getTime() - shown.startedAt.getTime();
        progress(lineOf(shown, now()), { step: step.step, certificateId, names, elapsedMs });
      }
      if (step.step === 'recorded') end(certificateId, 'done');
      if (step.step === 'ended') end(certificateId, 'failed');
    },
    headline(text) {
      if (board) board.headline(text);
      else progress(text);
    },
    data(line) {
      if (board && isShared) held.push(line);
      else data(line);
    },
    async close() {
      await board?.close();
      for (const line of held.splice(0)) data(line);
    },
  };
}
