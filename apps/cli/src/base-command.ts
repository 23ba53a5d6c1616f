/** What every command shares: the configuration flag, JSON, errors with their exit status, and an end by signal. */
import { clean, type Environment, readEnvironment } from '@certbus/runtime/local';
import { Command, Errors, Flags } from '@oclif/core';
import { CliError } from './errors.ts';
import { codeOf, exitStatusOf, nextSteps } from './exit-status.ts';
import { formatTable } from './table.ts';

/** Records of DNS that an error says are missing. */
function recordsOf(error: Error): readonly string[] {
  return 'records' in error && Array.isArray(error.records) ? error.records.map(String) : [];
}

/** What every command shares: where the configuration is, `--json`, errors with their exit status, and an end by signal. */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = {
    config: Flags.string({
      description: 'the local configuration; default ./certbus.json',
      env: 'CERTBUS_CONFIG',
      helpGroup: 'GLOBAL',
    }),
  };

  readonly #stop = new AbortController();

  /** Aborted by Ctrl-C or a SIGTERM, so that a claim is released before the end. A second one ends at once. */
  protected get signal(): AbortSignal {
    return this.#stop.signal;
  }

  protected override async init(): Promise<void> {
    await super.init();
    const interrupt = () => {
      if (this.#stop.signal.aborted) process.exit(130);
      this.#stop.abort(
        new CliError(
          'CERTBUS_CLI_INTERRUPTED',
          'Interrupted. What was begun is released; run the same command again to go on.',
        ),
      );
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    // Whoever read our output has gone: that is no failure of ours.
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
    });
  }

  /** What this machine knows of its bus. */
  protected environment(flags: { readonly config?: string | undefined }): Environment {
    return readEnvironment({ file: flags.config });
  }

  /** A line about what goes on, beside the data. */
  protected progress(line: string): void {
    if (!this.jsonEnabled()) process.stderr.write(`${clean(line)}\n`);
  }

  protected async printTable(header: readonly string[], rows: readonly (readonly string[])[]): Promise<void> {
    if (this.jsonEnabled() || rows.length === 0) return;
    this.log(await formatTable(header, rows, { isTerminal: process.stdout.isTTY === true }));
  }

  protected override toErrorJson(error: unknown): unknown {
    const message = error instanceof Error ? clean(error.message) : 'unknown';
    if (error instanceof Errors.CLIError)
      return { error: { code: 'CERTBUS_CLI_USAGE', message: message.replace(/\s*See more help with --help$/, '') } };
    const records = error instanceof Error ? recordsOf(error) : [];
    const code = codeOf(error) ?? 'CERTBUS_UNEXPECTED';
    return { error: { code, message, ...(records.length > 0 ? { records: records.map(clean) } : {}) } };
  }

  protected override async catch(error: Error & { exitCode?: number }): Promise<unknown> {
    // oclif's own errors, about flags and arguments, have their status already.
    if (error instanceof Errors.CLIError) return super.catch(error);
    const status = exitStatusOf(error);
    if (this.jsonEnabled()) {
      process.exitCode = status;
      this.logJson(this.toErrorJson(error));
      return undefined;
    }
    const code = codeOf(error);
    // Whole lines on stdout, to be pasted into a zone; an error's text is broken to the width of the terminal.
    for (const record of recordsOf(error)) this.log(clean(record));
    const suggestions = nextSteps(error);
    const shown = new Errors.CLIError(clean(error.message), { exit: status, ...(code ? { code } : {}), suggestions });
    throw shown;
  }
}
