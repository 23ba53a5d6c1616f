/** What every command shares: the configuration flag, JSON, errors with their exit status, and an end by signal. */
import { cleanLine, printableJson } from '@certbus/events';
import type { Manager } from '@certbus/manager';
import type { ManagedBus, WrittenFloor } from '@certbus/runtime';
import {
  clean,
  type Environment,
  jsonLine,
  LOG_SETTINGS,
  type LogLevel,
  readEnvironment,
  type WriteLine,
} from '@certbus/runtime/local';
import type { DatedPicture } from '@certbus/runtime/picture';
import { Command, Errors, Flags, toConfiguredId } from '@oclif/core';
import { type Answer, describeError } from './answer.ts';
import { breakLines } from './break-line.ts';
import { CliError } from './errors.ts';
import { exitStatusOf } from './exit-status.ts';
import { watchOutput } from './output.ts';
import type { Display } from './progress/display.ts';
import { canAsk, confirm } from './prompt.ts';
import { explainSystemError } from './system-error.ts';
import { formatTable } from './table.ts';
import {
  type CalledCommand,
  explainUsage,
  refuseDash,
  refuseEmptyWords,
  refuseValues,
  usageOf,
  withoutParser,
} from './usage-error.ts';
import { drawsRows, writingOf } from './writing.ts';

/** A message of several lines as one, for logs. */
const oneLine = (message: string): string => message.replaceAll(/:\s*\n\s*/g, ': ').replaceAll(/\s*\n\s*/g, '; ');

/** The flag of commands that ask before they go on. */
export const YES_FLAG = Flags.boolean({ char: 'y', description: 'do not ask; needed where there is no terminal' });

interface CommonFlags {
  readonly config?: string | undefined;
  readonly 'accept-stale'?: boolean | undefined;
}

/** What every command shares: where the configuration is, `--json`, errors with their exit status, and an end by signal. */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = {
    config: Flags.string({
      description: 'the local configuration; default certbus.json here, in ~/.config/certbus or in /etc/certbus',
      env: 'CERTBUS_CONFIG',
      helpGroup: 'GLOBAL',
    }),
    quiet: Flags.boolean({
      char: 'q',
      description: 'leave out progress; doctor shows only what is wrong',
      exclusive: ['verbose'],
      helpGroup: 'GLOBAL',
    }),
    verbose: Flags.boolean({ description: 'add the log of each step, as CERTBUS_LOG=debug does', helpGroup: 'GLOBAL' }),
    'log-format': Flags.option({
      options: ['text', 'json'] as const,
      env: 'CERTBUS_LOG_FORMAT',
      description: 'how progress, warnings and the log are written to standard error; default text',
      helpGroup: 'GLOBAL',
    })(),
    'no-color': Flags.boolean({ description: 'no colours, as NO_COLOR does', helpGroup: 'GLOBAL' }),
  };

  readonly #stop = new AbortController();
  readonly #warnings: string[] = [];
  /** What to run after Ctrl-C, as an imperative. */
  protected continueBy = 'Run the same command again';
  /** Read before the flags are parsed, since that can fail. */
  readonly #writing = writingOf(this.argv, process.env);

  /** Whether it goes on where nobody reads what it prints, since it changes something, or is called for its status. */
  protected readonly goesOnUnread: boolean = false;
  /** Whether an empty word means something to it. */
  protected readonly takesEmptyWords: boolean = false;
  /** Whether `-` is standard input to it. */
  protected readonly takesDash: boolean = false;

  /** Aborted by Ctrl-C, a SIGTERM, or the end of the terminal, so that a claim is released before the end. A second Ctrl-C or SIGTERM ends at once. */
  protected get signal(): AbortSignal {
    return this.#stop.signal;
  }

  protected override async init(): Promise<void> {
    await super.init();
    const interrupt = (by?: NodeJS.Signals) => {
      // A terminal that is closed sends SIGHUP twice: by its shell, and by the system.
      if (this.#stop.signal.aborted && by === 'SIGHUP') return;
      if (this.#stop.signal.aborted) process.exit(130);
      this.#stop.abort(
        new CliError(
          'CERTBUS_CLI_INTERRUPTED',
          `Interrupted. ${this.continueBy} to continue. If a warning says that the end of an issuance could not be recorded, its claim ends by itself.`,
        ),
      );
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
    const tell = ({ message, code }: CliError) => {
      const line = `${message} Code: ${code}.`;
      process.stderr.write(`${this.#writing.format === 'json' ? jsonLine('error', line) : `Error: ${line}`}\n`);
    };
    watchOutput({ goesOn: this.goesOnUnread, tell });
    refuseValues(this.#called());
    if (!this.takesEmptyWords) refuseEmptyWords(this.argv);
    if (!this.takesDash) refuseDash(this.#called());
  }

  /** What to throw after Ctrl-C where the command already did a part, which `--json` shows. */
  protected interruptedWith(result: unknown): CliError {
    const { reason } = this.signal;
    return new CliError('CERTBUS_CLI_INTERRUPTED', describeError(reason).message, { cause: reason, result });
  }

  /** What this machine knows of its bus. */
  protected environment(flags: CommonFlags): Environment {
    const { level, format } = this.#writing;
    this.#warnOfLogSetting();
    const writeLine: WriteLine = (line, level) => {
      process.stderr.write(`${line}\n`);
      if (level !== 'warn') return;
      this.#warnings.push(format === 'json' ? JSON.parse(line).message : line.replace(/^warning: /, ''));
    };
    const variables = {
      ...process.env,
      CERTBUS_LOG_FORMAT: format,
      ...(level === undefined ? {} : { CERTBUS_LOG: level }),
    };
    const acceptStale = flags['accept-stale'] || undefined;
    return readEnvironment({ file: flags.config, variables, acceptStale, writeLine });
  }

  /** Warns, once, of a `CERTBUS_LOG` that means nothing: who set it waits for lines that never come. */
  #warnOfLogSetting(): void {
    const { CERTBUS_LOG: setting = '' } = process.env;
    if (setting === '' || LOG_SETTINGS.includes(setting.toLowerCase())) return;
    const what = `CERTBUS_LOG is "${setting}", which is not one of ${LOG_SETTINGS.join(', ')}: it is taken for warn`;
    if (!this.#warnings.includes(what)) this.warn(what);
  }

  /** Runs with the manager of this machine. Ctrl-C ends it also before `run`, while the bus or a place of secrets does not answer. */
  protected async withManager<T>(
    flags: CommonFlags,
    run: (manager: Manager, open: ManagedBus) => Promise<T>,
  ): Promise<T> {
    const { withManager } = await import('@certbus/runtime');
    return withManager(this.environment(flags), run, { signal: this.signal });
  }

  /** A line about what goes on, next to the data. */
  protected progress(line: string, fields?: Readonly<Record<string, unknown>>): void {
    if (!this.jsonEnabled()) this.note(line, 'info', fields);
  }

  /** A line of what goes on; `info` and `debug` are left out by `--quiet`. */
  protected note(line: string, level: LogLevel, fields?: Readonly<Record<string, unknown>>): void {
    const { format, isQuiet } = this.#writing;
    const isProgress = level === 'info' || level === 'debug';
    if (isQuiet && isProgress) return;
    const prefix = isProgress ? '' : `${level === 'warn' ? 'warning' : level}: `;
    const window = process.stderr.isTTY ? process.stderr.columns : undefined;
    const shown =
      format === 'json' ? jsonLine(level, line, fields) : breakLines(`${prefix}${cleanLine(line)}`, { window });
    process.stderr.write(`${shown}\n`);
  }

  /** Runs what issues certificates with a display of their progress: rows on a terminal, a line for each step anywhere else. */
  protected async withDisplay<T>(run: (display: Display) => Promise<T>): Promise<T> {
    const { isQuiet, level, format } = this.#writing;
    const { CERTBUS_LOG: log = 'warn' } = process.env;
    // A log of each step is whole lines, and rows would hold them back.
    const isWatched = !this.jsonEnabled() && !isQuiet && format === 'text' && process.stderr.isTTY;
    const isDrawn =
      isWatched &&
      level === undefined &&
      !['debug', 'info'].includes(log.toLowerCase()) &&
      drawsRows(process.stderr, process.env);
    const now = () => new Date();
    const { createDisplay } = await import('./progress/display.ts');
    const board = isDrawn ? await (await import('./progress/board.ts')).openBoard(process.stderr, now) : undefined;
    const display = createDisplay({
      board,
      isShared: process.stdout.isTTY === true,
      progress: (line, fields) => this.progress(line, fields),
      data: (line) => this.log(line),
      now,
    });
    try {
      return await run(display);
    } finally {
      await display.close();
    }
  }

  /** Says how old a picture of the bus is, where the bus could not be read. */
  protected warnIfAway({ away, position, newestAt }: DatedPicture): void {
    if (!away) return;
    const when = newestAt === undefined ? '' : `, ${newestAt.slice(0, 16).replace('T', ' ')} UTC`;
    this.warn(`this is as of position ${position}${when}, as this machine has read it before: ${away.message}`);
  }

  /** Says where the new floor of the bus is, or prints the lines that have it. */
  protected reportFloor({ trust, file, problem }: WrittenFloor): void {
    if (file !== undefined && problem === undefined) {
      this.progress(`${file} has a new floor: copy it to every machine that has one`);
      return;
    }
    const why = problem ? `${file} could not be written (${problem.message})` : 'the trust is given as text';
    this.warn(`${why}. Give these two lines to every machine as its bus.pub, or as CERTBUS_TRUST:`);
    this.log(trust);
  }

  /** A line of data for people: on a terminal it is broken between words. `indent`: as {@link breakLines} has it. */
  protected show(line: string, { indent }: { readonly indent?: number } = {}): void {
    const window = process.stdout.isTTY ? process.stdout.columns : undefined;
    this.log(breakLines(clean(line), { window, indent }));
  }

  protected async printTable(header: readonly string[], rows: readonly (readonly string[])[]): Promise<void> {
    if (this.jsonEnabled() || rows.length === 0) return;
    const { isTTY = false, columns } = process.stdout;
    this.log(await formatTable(header, rows, { isTerminal: isTTY, ...(columns ? { window: columns } : {}) }));
  }

  /**
   * Asks before what deletes, revokes, or orders a certificate that is not due; with `--yes` it does not ask. Throws
   * `CERTBUS_CLI_DECLINED` where the answer is no, and `CERTBUS_CLI_USAGE` where it cannot ask.
   *
   * @param question names what would happen.
   */
  protected async agree(question: string, { yes }: { readonly yes: boolean }): Promise<void> {
    if (yes) return;
    if (this.jsonEnabled() || !canAsk()) {
      const why = this.jsonEnabled() ? 'With --json it cannot ask' : 'There is no terminal to ask on';
      const message = `This command asks before it goes on: "${question}" ${why}; add --yes to agree.`;
      throw new CliError('CERTBUS_CLI_USAGE', message);
    }
    if (!(await confirm(question, this.signal))) throw new CliError('CERTBUS_CLI_DECLINED', 'Nothing was changed.');
  }

  override warn(input: Error | string): Error | string {
    const message = clean(input instanceof Error ? input.message : input);
    this.#warnings.push(message);
    if (this.jsonEnabled()) return input;
    if (this.#writing.format === 'json') {
      process.stderr.write(`${jsonLine('warn', message)}\n`);
      return input;
    }
    if (process.stderr.isTTY) return super.warn(message);
    process.stderr.write(`Warning: ${oneLine(message)}\n`);
    return input;
  }

  override logJson(json: unknown): void {
    process.stdout.write(`${printableJson(json, 2)}\n`);
  }

  protected override toSuccessJson(result: unknown): Answer {
    return { status: 'ok', result, warnings: this.#warnings, error: null, exitCode: 0 };
  }

  protected override toErrorJson(thrown: unknown): Answer {
    const error = explainSystemError(withoutParser(thrown));
    const result = error instanceof CliError ? (error.result ?? null) : null;
    return {
      status: 'failed',
      result,
      warnings: this.#warnings,
      error: {
        ...describeError(error),
        ...(error instanceof Errors.CLIError ? explainUsage(error, this.#called()) : {}),
      },
      exitCode: exitStatusOf(error),
    };
  }

  /** This command, as its errors name it. */
  #called(): CalledCommand {
    const { flags = {}, args = {}, baseFlags } = this.ctor;
    const name = `${this.config.bin} ${toConfiguredId(this.id ?? '', this.config)}`;
    return { name, flags: { ...baseFlags, ...flags }, args, words: this.argv };
  }

  protected override async catch(thrown: Error): Promise<unknown> {
    const answer = this.toErrorJson(thrown);
    process.exitCode = answer.exitCode;
    if (this.jsonEnabled()) {
      this.logJson(answer);
      return undefined;
    }
    const { code, message, next, records = [] } = answer.error ?? describeError(thrown);
    // Whole lines on stdout, to be pasted into a zone.
    for (const record of records) this.log(record);
    if (this.#writing.format === 'json') process.stderr.write(`${jsonLine('error', message, { code, next })}\n`);
    else if (!process.stderr.isTTY) {
      const advice = next.length > 0 ? ` Next: ${next.join('; ')}.` : '';
      process.stderr.write(`Error: ${oneLine(message)} Code: ${code}.${advice}\n`);
    } else if (code === 'CERTBUS_CLI_USAGE') {
      const called = this.#called();
      const lines = `Error: ${oneLine(message)}\nUsage: ${usageOf(called)}\nHelp:  ${called.name} --help`;
      process.stderr.write(`${breakLines(lines, { window: process.stderr.columns })}\n`);
    } else throw new Errors.CLIError(message, { exit: answer.exitCode, code, suggestions: [...next] });
    return undefined;
  }
}

/** A command that signs: on a machine that has not read the bus before it can be told that an old head is the newest. */
export abstract class SigningCommand extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override baseFlags = {
    ...BaseCommand.baseFlags,
    'accept-stale': Flags.boolean({
      description:
        'sign although the newest commit is older than 48 hours and this machine has not read the bus before; once, where no manager ran since; also CERTBUS_ACCEPT_STALE=1',
      helpGroup: 'GLOBAL',
    }),
  };
}
