/** What every command shares: where the configuration is, `--json`, and errors with their exit status. */
import { clean, printableJson } from '@certbus/events';
import { Command, Errors, Flags } from '@oclif/core';
import { exposedSecret, type ResolvedConfiguration, readConfiguration } from '../configuration/read-configuration.ts';
import { AgentError, UnhealthyError } from '../errors.ts';
import { watchOutput } from './output.ts';

/** What the exit status of a command means; `docs/errors.md` has the same table. */
const EXIT = { unexpected: 1, usage: 2, configuration: 3, outOfReach: 7, unhealthy: 10 } as const;

function codeOf(error: unknown): string {
  if (error instanceof Errors.CLIError) return 'CERTBUS_CLI_USAGE';
  return error instanceof Error && 'code' in error ? String(error.code) : 'CERTBUS_UNEXPECTED';
}

function exitStatusOf(error: unknown): number {
  if (error instanceof Errors.CLIError) return EXIT.usage;
  if (error instanceof UnhealthyError) return EXIT.unhealthy;
  const code = codeOf(error);
  if (
    /^CERTBUS_(?:AGENT_CONFIG|EVENTS)_|^CERTBUS_AGENT_OTHER_USER$|_FILE_OPEN$|_FILE_UNREADABLE$|_ADDRESS_INVALID$|_PROXY_INVALID$/.test(
      code,
    )
  )
    return EXIT.configuration;
  return code.startsWith('CERTBUS_') && code !== 'CERTBUS_UNEXPECTED' ? EXIT.outOfReach : EXIT.unexpected;
}

/** A message of oclif as a sentence, without its own advice. */
const withoutHelp = (message: string): string =>
  message.replace(/\s*See more help with --help$/, '').replace(/([^.?!])$/, '$1.');

/** What every command shares: where the configuration is, `--json`, and errors with their exit status. */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = {
    config: Flags.string({
      description: 'the configuration; default agent.json here or in /etc/certbus',
      env: 'CERTBUS_AGENT_CONFIG',
      helpGroup: 'GLOBAL',
    }),
  };

  readonly #stop = new AbortController();
  readonly #warnings: string[] = [];

  /** Whether it changes something, and goes on where nobody reads what it prints. */
  protected readonly changes: boolean = true;

  /** Aborted by Ctrl-C or a SIGTERM. A second one ends at once. */
  protected get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Resolves once it is to end, see {@link BaseCommand.signal}. */
  protected stopped(): Promise<void> {
    const { signal } = this;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  protected override async init(): Promise<void> {
    await super.init();
    const interrupt = () => {
      if (this.#stop.signal.aborted) process.exit(130);
      this.#stop.abort(new AgentError('CERTBUS_AGENT_TARGET_FAILED', 'It was stopped before it was done.'));
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    watchOutput({ goesOn: this.changes, exitStatus: EXIT.configuration });
  }

  protected configuration({ config }: { readonly config?: string | undefined }): ResolvedConfiguration {
    const found = readConfiguration(config, process.cwd());
    const warning = exposedSecret(found);
    if (warning !== undefined) this.#warn(warning);
    return found;
  }

  /** Reports what is wrong and keeps no command from its work. */
  #warn(warning: string): void {
    this.#warnings.push(warning);
    if (!this.jsonEnabled()) process.stderr.write(`Warning: ${clean(warning)}\n`);
  }

  override logJson(json: unknown): void {
    process.stdout.write(`${printableJson(json, 2)}\n`);
  }

  protected override toSuccessJson(result: unknown): unknown {
    return { status: 'ok', result: result ?? null, warnings: this.#warnings, error: null, exitCode: 0 };
  }

  protected override toErrorJson(thrown: unknown): unknown {
    const message = thrown instanceof Error ? clean(thrown.message) : 'unknown';
    const result = thrown instanceof UnhealthyError ? thrown.result : null;
    return {
      status: 'failed',
      result,
      warnings: this.#warnings,
      error: { code: codeOf(thrown), message: withoutHelp(message), next: this.#next(thrown) },
      exitCode: exitStatusOf(thrown),
    };
  }

  /** Wrong flags and arguments are answered with where the right ones are listed. */
  #next(thrown: unknown): readonly string[] {
    return thrown instanceof Errors.CLIError ? [`"${this.config.bin} ${this.id} --help" lists what it takes.`] : [];
  }

  protected override async catch(thrown: Error): Promise<unknown> {
    process.exitCode = exitStatusOf(thrown);
    if (this.jsonEnabled()) this.logJson(this.toErrorJson(thrown));
    else {
      const next = this.#next(thrown).map((each) => ` ${each}`);
      process.stderr.write(`Error: ${withoutHelp(clean(thrown.message))}${next.join('')} Code: ${codeOf(thrown)}.\n`);
    }
    return undefined;
  }
}
