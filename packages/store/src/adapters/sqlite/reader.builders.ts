import { readStream } from '../../bus.builders.ts';
import type { Log } from '../../log.ts';
import { openSqliteLog } from './sqlite.ts';

/** A reader in a process of its own, which answers its parent's questions one by one. */
const [, , path = ''] = process.argv;
let opened: Promise<Log> | undefined;

async function readTexts(log: Log): Promise<string[]> {
  const commits = await readStream(log, 's');
  commits.forEach(({ position }, n) => {
    if (position !== n + 1) throw new Error(`position ${position} stands where ${n + 1} should`);
  });
  return commits.map(({ bytes }) => Buffer.from(bytes).toString());
}

/** What a reader sends while it watches, before its answer: at how many lengths it has seen the log. */
export type Progress = number;

const answers = {
  read: readTexts,
  version: async (log: Log) => log.version?.() ?? 0,
  append: (log: Log) => log.append('s', 1, Buffer.from('of a reader')),
  /** Reads again and again until the last commit says so; how many commits each read gave, without repetitions. */
  async watch(log: Log): Promise<number[]> {
    const lengths: number[] = [];
    for (;;) {
      const texts = await readTexts(log);
      const wrong = texts.findIndex((text, n) => text !== 'last' && text !== String(n + 1).repeat(1_000));
      if (wrong !== -1) throw new Error(`position ${wrong + 1} holds ${texts[wrong]?.slice(0, 20)}`);
      if (texts.length < (lengths.at(-1) ?? 0)) throw new Error(`${texts.length} commits after ${lengths.at(-1)}`);
      if (texts.length !== lengths.at(-1)) process.send?.(lengths.push(texts.length) satisfies Progress);
      if (texts.at(-1) === 'last') return lengths;
      await new Promise((resolve) => setImmediate(resolve));
    }
  },
};

/** What a reader can be asked. */
export type Question = keyof typeof answers;

/** What a reader answers: a result, or an error's code and message. */
export interface Answer {
  readonly result?: unknown;
  readonly code?: unknown;
  readonly message?: string;
}

async function answer(question: Question): Promise<Answer> {
  try {
    opened ??= openSqliteLog(path);
    return { result: await answers[question](await opened) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { code: 'code' in error ? error.code : undefined, message: error.message };
  }
}

process.on('message', (question: Question) => {
  void answer(question).then((said) => process.send?.(said));
});
