/** Draws the issuances that are under way on a terminal, by listr2. */
import { createWritable, DefaultRenderer, Listr, ListrLogger, ProcessOutput } from 'listr2';
import { type Ending, rowsOf, type Tracked } from './steps.ts';

/** How many are shown at once. Those that come later are shown as soon as others have ended. */
const SHOWN = 10;
/** Elapsed time is drawn that often. */
const REDRAW_MS = 1_000;
const SHOW_CURSOR = '\u001b[?25h';

/** The rows on a terminal. */
export interface Board {
  show(tracked: Tracked): void;
  headline(text: string): void;
  end(certificateId: string, ending: Ending): void;
  /** Draws the last state, and leaves it there. */
  close(): Promise<void>;
}

/** Draws also where standard output, which listr2 looks at, is not a terminal. */
class Renderer extends DefaultRenderer {
  static override nonTTY = true;
}

/** A place on the screen that an issuance can take. */
interface Slot {
  /** Without a title it is not shown. */
  readonly entitle: (title: string | undefined) => void;
  readonly settle: (ending: Ending) => void;
  tracked: Tracked | undefined;
}

/**
 * Takes over a terminal until it is closed. What others write to it meanwhile is printed after that. Ctrl-C stays with the command.
 *
 * @param terminal such as standard error.
 */
export async function openBoard(terminal: NodeJS.WriteStream, now: () => Date): Promise<Board> {
  const slots: Slot[] = [];
  const waiting = new Map<string, Tracked>();
  const begun = Promise.withResolvers<void>();
  let isMany = false;
  const restoreCursor = () => terminal.write(SHOW_CURSOR);

  const task = {
    task: (_: unknown, row: { title: string | undefined }) =>
      new Promise<void>((resolve, reject) => {
        const settle = (ending: Ending) => (ending === 'done' ? resolve() : reject(new Error(ending)));
        const entitle = (title: string | undefined) => {
          row.title = title;
        };
        slots.push({ entitle, settle, tracked: undefined });
        if (slots.length > SHOWN) begun.resolve();
      }),
  };
  // listr2 draws on what it takes for standard output; standard output itself stays free for data.
  const nowhere = createWritable(() => {}) as unknown as NodeJS.WriteStream;
  const processOutput = new ProcessOutput(terminal, nowhere, { leaveEmptyLine: false });
  const list = new Listr(
    Array.from({ length: SHOWN + 1 }, () => task),
    {
      concurrent: true,
      exitOnError: false,
      registerSignalListeners: false,
      renderer: Renderer,
      rendererOptions: {
        logger: new ListrLogger({ useIcons: true, toStderr: [], processOutput }),
        formatOutput: 'truncate',
        collapseErrors: false,
        showErrorMessage: false,
      },
    },
  );
  const ran = list.run();
  process.once('exit', restoreCursor);
  await Promise.race([begun.promise, ran]);
  const [top, ...rows] = slots;

  function draw(slot: Slot): void {
    if (slot.tracked) slot.entitle(rowsOf(slot.tracked, now()).join('\n'));
  }
  function place(tracked: Tracked): void {
    const slot =
      rows.find((each) => each.tracked?.certificateId === tracked.certificateId) ??
      rows.find((each) => each.tracked === undefined);
    if (!slot) return void waiting.set(tracked.certificateId, tracked);
    slot.tracked = tracked;
    draw(slot);
  }
  const timer = setInterval(() => rows.forEach(draw), REDRAW_MS);

  return {
    show: place,
    headline(text) {
      isMany = true;
      top?.entitle(text);
    },
    end(certificateId, ending) {
      waiting.delete(certificateId);
      const slot = rows.find((each) => each.tracked?.certificateId === certificateId);
      if (!slot) return;
      // Of many, each makes room for the next.
      if (!isMany) {
        draw(slot);
        rows.splice(rows.indexOf(slot), 1);
        slot.settle(ending);
        return;
      }
      slot.tracked = undefined;
      slot.entitle(undefined);
      const [next] = waiting.values();
      if (!next) return;
      waiting.delete(next.certificateId);
      place(next);
    },
    async close() {
      clearInterval(timer);
      for (const slot of rows) slot.settle(slot.tracked ? 'failed' : 'done');
      top?.settle('done');
      await ran;
      process.off('exit', restoreCursor);
    },
  };
}
