/** Records what programs can depend on of the command line, from runs of it, for the contract test. */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from '@oclif/core';
import type { Answer } from './answer.ts';
import { certbus } from './cli.builders.ts';
import { COMMANDS } from './commands.builders.ts';
import { exitStatusOf } from './exit-status.ts';
import { type Shape, shapeOf } from './json-shape.builders.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const asTyped = (id: string) => id.replaceAll(':', ' ');

/** Every command, by its name as a user types it. */
const COMMANDS_AS_TYPED: ReadonlyMap<string, Command.Class> = new Map(
  Object.entries(COMMANDS).map(([id, command]) => [asTyped(id), command]),
);

export const COMMAND_NAMES = [...COMMANDS_AS_TYPED.keys()];

/** Why a command has no JSON. */
const WITHOUT_JSON: Readonly<Record<string, string>> = {
  'example-server': 'none: it serves until Ctrl-C, and has no result',
  keygen: 'none: it writes the text of a key file',
  run: 'none: it runs until Ctrl-C, and has no result',
  help: 'none: it is for people',
  completion: 'none: it writes what a shell evaluates',
  complete: 'none: shells read its lines',
};

/** What scripts can rely on, of one command. */
export interface CommandContract {
  readonly aliases: readonly string[];
  readonly arguments: readonly unknown[];
  readonly flags: Readonly<Record<string, unknown>>;
  /** Shape of `result`, or why there is no JSON; `undefined` where nothing is known. */
  readonly json: Shape | undefined;
  /** Shape of a line, where the output goes on until Ctrl-C. */
  readonly jsonLines?: Shape;
  /** How it ends without an error. */
  readonly statuses: readonly (number | null)[];
  /** By the code of the error. */
  readonly failures: Readonly<
    Record<string, { readonly status: number | null; readonly error?: Shape; readonly result?: Shape }>
  >;
}

/** What scripts can rely on. */
export interface Contract {
  readonly commands: Readonly<Record<string, CommandContract>>;
  /** By the code of the error; by its name, too, where the code alone does not decide. */
  readonly exitStatuses: Readonly<Record<string, number | Readonly<Record<string, number>>>>;
}

/** A command that was run. */
interface Call {
  readonly command: string;
  readonly status: number | null;
  /** Of its error. */
  readonly code: string | undefined;
  /** `undefined` where it has no JSON, or goes on until Ctrl-C. */
  readonly answer: Answer | undefined;
  /** What it wrote while it went on. */
  readonly lines: readonly unknown[];
}

/** All of a flag or an argument that a program can depend on: not its description. */
function factsOf(parameter: object): Readonly<Record<string, unknown>> {
  const isFact = ([field, value]: [string, unknown]) =>
    !['description', 'helpGroup', 'input', 'parse'].includes(field) && value !== undefined && value !== false;
  return Object.fromEntries(Object.entries(parameter).filter(isFact));
}

function parametersOf({ aliases, args, baseFlags, flags, enableJsonFlag }: Command.Class) {
  const all = { ...baseFlags, ...flags, ...(enableJsonFlag ? { json: { type: 'boolean' } } : {}) };
  return {
    aliases: aliases.map(asTyped),
    arguments: Object.entries(args).map(([name, arg]) => ({ name, ...factsOf(arg) })),
    flags: Object.fromEntries(Object.entries(all).map(([name, flag]) => [name, factsOf(flag)])),
  };
}

function failureOf(calls: readonly Call[]): CommandContract['failures'][string] {
  const answers = calls.flatMap(({ answer }) => answer ?? []);
  const results = answers.map(({ result }) => result).filter((result) => result !== null);
  return {
    status: calls[0]?.status ?? null,
    ...(answers.length > 0 ? { error: shapeOf(answers.map(({ error }) => error)) } : {}),
    ...(results.length > 0 ? { result: shapeOf(results) } : {}),
  };
}

function resultsOf(name: string, calls: readonly Call[]): Omit<CommandContract, keyof ReturnType<typeof parametersOf>> {
  const done = calls.filter(({ code }) => code === undefined);
  const results = done.flatMap(({ answer }) => answer?.result ?? []);
  const lines = done.flatMap((call) => call.lines);
  const failures = Map.groupBy(
    calls.filter(({ code }) => code !== undefined),
    ({ code = '' }) => code,
  );
  return {
    json: results.length > 0 ? shapeOf(results) : WITHOUT_JSON[name],
    ...(lines.length > 0 ? { jsonLines: shapeOf(lines) } : {}),
    statuses: [...new Set(done.map(({ status }) => status))].sort(),
    failures: Object.fromEntries([...failures].map(([code, alike]) => [code, failureOf(alike)])),
  };
}

/** The exit status of every code that a package declares. */
function exitStatuses(): Contract['exitStatuses'] {
  const sources = globSync('{packages,apps}/*/src/errors.ts', { cwd: ROOT });
  const codes = sources.flatMap(
    (file) => readFileSync(`${ROOT}/${file}`, 'utf8').match(/(?<=')CERTBUS_\w+(?=')/g) ?? [],
  );
  const statusOf = (name: string, code?: string) => exitStatusOf(Object.assign(new Error(), { name, code }));
  const statusesOf = (code: string) => {
    const [status, inHistory] = [statusOf('Error', code), statusOf('HistoryError', code)];
    return status === inHistory ? status : { Error: status, HistoryError: inHistory };
  };
  return { ...Object.fromEntries(codes.map((code) => [code, statusesOf(code)])), 'any other error': statusOf('Error') };
}

/** The one shape of every answer; what differs by command is in `result` and `error`. */
const ANSWER = { error: null, exitCode: 0, result: null, status: 'ok', warnings: [] } satisfies Answer;

/** Refuses what is not in the one shape, or contradicts itself or the process's status. */
function checkAnswer(answer: Answer, status: number | null): Answer {
  const fields = Object.keys(answer).sort().join();
  const isFailed = answer.error !== null;
  const isSound =
    fields === Object.keys(ANSWER).join() &&
    answer.status === (isFailed ? 'failed' : 'ok') &&
    answer.exitCode === status &&
    isFailed === (status !== 0) &&
    Array.isArray(answer.warnings);
  if (isSound) return answer;
  throw new Error(`status ${status}, and an answer that does not fit: ${JSON.stringify(answer)}`);
}

function parse(text: string, problem: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`There is no JSON on standard output. ${problem}`, { cause });
  }
}

/** Runs commands as a user does, and learns the contract from them. */
export function createRecorder() {
  const calls: Call[] = [];

  async function call(folder: string, line: string, options: Parameters<typeof certbus>[2] = {}) {
    const words = line.split(' ');
    const [name, command] =
      [...COMMANDS_AS_TYPED].find(([own, { aliases }]) =>
        [own, ...aliases.map(asTyped)].some((each) => `${line} `.startsWith(`${each} `)),
      ) ?? [];
    if (!name || !command) throw new Error(`There is no command for "${line}".`);
    const args = command.enableJsonFlag ? [...words, '--json'] : words;
    const { status, stdout, stderr } = await certbus(folder, args, options);
    const problem = `"certbus ${line}" wrote: ${stderr}`;
    const isFollowing = words.includes('--follow');
    const lines = isFollowing
      ? stdout
          .trim()
          .split('\n')
          .map((text) => parse(text, problem))
      : [];
    const hasAnswer = command.enableJsonFlag && !isFollowing;
    const answer = hasAnswer ? checkAnswer(parse(stdout, problem) as Answer, status) : undefined;
    const codeInText = status === 0 ? undefined : /Code: (\w+)/.exec(stderr)?.[1];
    const code = answer ? answer.error?.code : codeInText;
    calls.push({ command: name, status, code, answer, lines });
    return { code, answer };
  }

  return {
    /** Runs a command that is to do what it is asked; returns its result. */
    async succeeds(folder: string, line: string, options?: Parameters<typeof certbus>[2]): Promise<unknown> {
      const { code, answer } = await call(folder, line, options);
      if (code !== undefined) throw new Error(`"certbus ${line}" failed: ${JSON.stringify(answer)}`);
      return answer?.result;
    },

    /** Runs a command that is to fail with this code. */
    async fails(
      folder: string,
      line: string,
      expected: string,
      options?: Parameters<typeof certbus>[2],
    ): Promise<void> {
      const { code, answer } = await call(folder, line, options);
      if (code !== expected)
        throw new Error(`"certbus ${line}" did not fail with ${expected}: ${JSON.stringify(answer)}`);
    },

    contract(): Contract {
      const commands = [...COMMANDS_AS_TYPED].map(([name, command]) => {
        const own = calls.filter((each) => each.command === name);
        return [name, { ...parametersOf(command), ...resultsOf(name, own) }] as const;
      });
      return { commands: Object.fromEntries(commands), exitStatuses: exitStatuses() };
    },
  };
}

/** Text of a contract, fields in the order of the alphabet. */
export function formatContract(contract: Contract): string {
  const inOrder = (_: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return `${JSON.stringify(contract, inOrder, 2)}\n`;
}
