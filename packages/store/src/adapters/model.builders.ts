import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import fc from 'fast-check';
import type { Log } from '../log.ts';

/** What a stream is, said as simply as can be: the texts of its commits, from position 1 on. */
interface Model {
  readonly texts: string[];
}

/** The stream under test, and what was run on it. */
interface Real {
  readonly stream: string;
  log(): Log;
  reopen(): Promise<void>;
  ran(command: Ran): void;
}

/** What a command turned out to be. */
type Ran = 'appended' | 'repeated' | 'taken' | 'beyond' | 'read consistently' | 'read' | 'reopened';

type Command = fc.AsyncCommand<Model, Real>;

/** What a whole run of the model was made of, so that its test can say that it was large. */
export interface ModelRun {
  /** How many commands each sequence ran. */
  readonly sequences: readonly number[];
  readonly counts: Readonly<Record<Ran, number>>;
}

export interface ModelOptions {
  /** Opens the log, the first time and again, as another process would. */
  readonly open: () => Promise<Log>;
  /** How many sequences, of {@link FEWEST} commands or more, are run; each has a stream of its own. */
  readonly sequences: number;
  /** How many run at once, each on a connection of its own; default 1. */
  readonly parallel?: number;
}

/** A sequence has at least this many commands. */
export const FEWEST = 30;
const MOST = 45;

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const anyBytes = fc.uint8Array({ maxLength: 24 });
const anyShare = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const command = (name: string, run: Command['run']): Command => ({
  check: () => true,
  run,
  toString: () => name,
});

/** Appends behind a position and holds the answer against the model's. */
function append(name: string, bytesAndAfter: (model: Model) => { after: number; bytes: Uint8Array }): Command {
  return command(name, async ({ texts }, real) => {
    const { after, bytes } = bytesAndAfter({ texts });
    const text = textOf(bytes);
    const there = texts[after];
    const appended = real.log().append(real.stream, after, bytes);
    if (there === text || after === texts.length) {
      equal(await appended, after + 1);
      real.ran(there === text ? 'repeated' : 'appended');
      texts[after] = text;
      return;
    }
    await rejects(appended, (error: Error & { code?: string; position?: number; found?: Uint8Array }) => {
      equal(error.code, 'CERTBUS_STORE_VERSION_CONFLICT');
      equal(error.position, after + 1);
      equal(error.found && textOf(error.found), there);
      return true;
    });
    real.ran(there === undefined ? 'beyond' : 'taken');
  });
}

const appendAtHead = anyBytes.map((bytes) =>
  append(`append ${textOf(bytes)} at the head`, ({ texts }) => ({ after: texts.length, bytes })),
);
const appendStale = anyBytes.map((bytes) =>
  append(`append ${textOf(bytes)} one behind the head`, ({ texts }) => ({
    after: Math.max(0, texts.length - 1),
    bytes,
  })),
);
const appendBeyond = fc
  .tuple(anyBytes, fc.integer({ min: 1, max: 5 }))
  .map(([bytes, by]) =>
    append(`append ${textOf(bytes)} ${by} beyond the head`, ({ texts }) => ({ after: texts.length + by, bytes })),
  );
const appendOther = fc.tuple(anyBytes, anyShare).map(([bytes, share]) =>
  append(`append ${textOf(bytes)} at ${share} of the stream`, ({ texts }) => ({
    after: Math.floor(texts.length * share),
    bytes,
  })),
);
const appendAgain = anyShare.map((share) =>
  append(`append again what is at ${share} of the stream`, ({ texts }) => {
    const after = Math.floor(texts.length * share);
    return { after, bytes: Buffer.from(texts[after] ?? '', 'hex') };
  }),
);

const read = fc
  .record({ share: anyShare, limit: fc.integer({ min: 1, max: 40 }), consistent: fc.boolean() })
  .map(({ share, limit, consistent }) =>
    command(
      `read from ${share} of the stream, ${limit}, ${consistent ? 'consistently' : 'or less'}`,
      async (model, real) => {
        // A little beyond the head as well.
        const after = Math.floor((model.texts.length + 3) * share);
        const { commits, end } = await real.log().read(real.stream, after, { limit, consistent });
        ok(commits.length <= limit);
        ok(end || commits.length > 0);
        const expected = model.texts.slice(after).map((text, index) => ({ position: after + 1 + index, text }));
        const seen = commits.map(({ position, bytes }) => ({ position, text: textOf(bytes) }));
        if (consistent) {
          deepEqual(seen, expected.slice(0, seen.length));
          ok(!end || seen.length === expected.length);
        } else {
          // It may miss some; it may invent and repeat none.
          const positions = new Set(seen.map(({ position }) => position));
          deepEqual(
            seen,
            expected.filter(({ position }) => positions.has(position)),
          );
        }
        real.ran(consistent ? 'read consistently' : 'read');
      },
    ),
  );

const reopen = fc.constant(
  command('reopen', async (_, real) => {
    await real.reopen();
    real.ran('reopened');
  }),
);

const anyCommands = fc.commands(
  [appendAtHead, appendAtHead, appendAtHead, appendStale, appendBeyond, appendOther, appendAgain, read, read, reopen],
  { maxCommands: MOST, size: 'max' },
);

async function checkWhole(log: Log, stream: string, { texts }: Model): Promise<void> {
  const { commits } = await log.read(stream, 0, { limit: MOST + 1, consistent: true });
  deepEqual(
    commits.map(({ bytes }) => textOf(bytes)),
    texts,
  );
}

/** Runs random sequences of commands on a log and on the model, and rejects with the shortest on which they differ. */
export async function runModel({ open, sequences, parallel = 1 }: ModelOptions): Promise<ModelRun> {
  const lengths: number[] = [];
  const counts = { appended: 0, repeated: 0, taken: 0, beyond: 0, 'read consistently': 0, read: 0, reopened: 0 };
  let streams = 0;

  async function runSequences(quota: number): Promise<void> {
    let log = await open();
    let left = quota;
    let isShrinking = false;
    const reopen = async () => {
      await log.close();
      log = await open();
    };
    const property = fc.asyncProperty(anyCommands, async (commands) => {
      // Lengths are spread evenly from none on. The short ones count only where they make a failure plain.
      const isWanted = [...commands].length >= FEWEST && left > 0;
      if (!isWanted && !isShrinking) return;
      streams += 1;
      const stream = `model-${streams}`;
      const model: Model = { texts: [] };
      let length = 0;
      const ran = (what: Ran) => {
        length += 1;
        counts[what] += 1;
      };
      try {
        await fc.asyncModelRun(() => ({ model, real: { stream, log: () => log, reopen, ran } }), commands);
        await checkWhole(log, stream, model);
      } catch (error) {
        isShrinking = true;
        throw error;
      }
      left -= 1;
      lengths.push(length);
    });
    await fc.assert(property, { numRuns: 6 * quota });
    await log.close();
  }

  await Promise.all(Array.from({ length: parallel }, () => runSequences(Math.ceil(sequences / parallel))));
  return { sequences: lengths, counts };
}
