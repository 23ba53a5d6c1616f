/** `certbus cert renewable`. */
import { dueSince } from '@certbus/events';
import type { RenewalOutcome } from '@certbus/manager';
import { Args, Flags } from '@oclif/core';
import { type AnswerError, describeError } from '../../answer.ts';
import { SigningCommand } from '../../base-command.ts';
import { CliError } from '../../errors.ts';
import { parseInstant } from '../../instant.ts';
import { progressPrinter } from '../../progress.ts';

interface Result {
  readonly due: readonly {
    readonly certificateId: string;
    readonly names: readonly string[];
    readonly since: string;
  }[];
  /** One for each certificate that was taken up; empty without a renewing flag. */
  readonly outcomes: readonly Outcome[];
}

/** What became of one certificate. */
interface Outcome extends Pick<RenewalOutcome, 'certificateId' | 'names' | 'outcome' | 'serialNumber'> {
  /** Why it failed or was postponed. */
  readonly error?: AnswerError;
}

const describeOutcome = ({ certificateId, names, outcome, serialNumber, error }: RenewalOutcome): Outcome => ({
  certificateId,
  names,
  outcome,
  ...(serialNumber === undefined ? {} : { serialNumber }),
  ...(error === undefined ? {} : { error: describeError(error) }),
});

/** How many certificates with one reason are named. */
const SHOWN = 10;

const messageOf = ({ error }: RenewalOutcome): string => (error instanceof Error ? error.message : 'unknown');

/** Each reason once, under the certificates that failed for it: an outage has one reason for a thousand. */
function describeFailures(failed: readonly RenewalOutcome[]): string[] {
  return [...Map.groupBy(failed, messageOf)].map(([message, alike]) => {
    const shown = alike.slice(0, SHOWN).map(({ certificateId, names }) => `${certificateId} (${names.join(', ')})`);
    if (alike.length > SHOWN) shown.push(`${alike.length - SHOWN} more`);
    return `${shown.join(', ')}: ${message}`;
  });
}

export default class CertRenewable extends SigningCommand {
  static override summary = 'Say which certificates are due, and renew them when told to.';
  static override description =
    'Without a renewing flag nothing is changed. From cron: certbus cert renewable --renew-all';
  static override args = {
    at: Args.string({ description: 'list what will be due by then, such as 2027-01-31; not with a renewing flag' }),
  };
  static override flags = {
    'renew-first': Flags.boolean({ char: 'r', description: 'renew the most urgent one', exclusive: ['renew-all'] }),
    'renew-all': Flags.boolean({ description: 'renew all of them' }),
  };

  async run(): Promise<Result> {
    const { args, flags } = await this.parse(CertRenewable);
    const renews = flags['renew-first'] || flags['renew-all'];
    if (args.at !== undefined && renews) {
      const message = `${args.at} only asks what will be due by then; --renew-first and --renew-all renew what is due now. Leave one of them out.`;
      throw new CliError('CERTBUS_CLI_USAGE', message);
    }
    const at = args.at === undefined ? new Date() : parseInstant(args.at);
    const { withManager } = await import('@certbus/runtime');
    const onProgress = progressPrinter((line) => this.progress(line));
    return withManager(this.environment(flags), async (manager) => {
      await manager.refresh({ signal: this.signal });
      const due = manager.due(at).map((certificate) => ({
        certificateId: certificate.certificateId,
        names: certificate.names,
        since: dueSince(certificate, new Date())?.toISOString() ?? '',
      }));
      await this.printTable(
        ['id', 'due since', 'domains'],
        due.map(({ certificateId, names, since }) => [certificateId, since, names.join(', ')]),
      );
      if (due.length === 0) this.progress(`nothing is due${args.at ? ` by ${at.toISOString()}` : ''}`);
      if (!renews) return { due, outcomes: [] };
      const limit = flags['renew-first'] ? 1 : undefined;
      const outcomes = await manager.renewDue({ signal: this.signal, at, onProgress, ...(limit ? { limit } : {}) });
      const result = { due, outcomes: outcomes.map(describeOutcome) };
      this.#report(outcomes, result);
      return result;
    });
  }

  #report(outcomes: readonly RenewalOutcome[], result: Result): void {
    for (const { certificateId, outcome, serialNumber } of outcomes) {
      if (outcome !== 'failed' && outcome !== 'postponed')
        this.log(`${certificateId}: ${outcome}${serialNumber ? `, serial number ${serialNumber}` : ''}`);
    }
    const failed = outcomes.filter(({ outcome }) => outcome === 'failed');
    const postponed = outcomes.filter(({ outcome }) => outcome === 'postponed');
    if (failed.length > 0) {
      const what = describeFailures(failed);
      if (postponed.length > 0)
        what.push(`${postponed.length} more from the same CA were not tried; the next run takes them up.`);
      throw new CliError(
        'CERTBUS_CLI_RENEWAL_FAILED',
        `${failed.length} of ${outcomes.length} renewals failed:\n${what.join('\n')}`,
        { result },
      );
    }
  }
}
