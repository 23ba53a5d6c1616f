/** `certbus cert renewable`. */
import { dueSince } from '@certbus/events';
import type { RenewalOutcome } from '@certbus/manager';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { CliError } from '../../errors.ts';
import { progressPrinter } from '../../progress.ts';

interface Result {
  readonly due: readonly {
    readonly certificateId: string;
    readonly names: readonly string[];
    readonly since: string;
  }[];
  readonly outcomes: readonly { readonly certificateId: string; readonly outcome: string; readonly error?: string }[];
}

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

export default class CertRenewable extends BaseCommand {
  static override summary = 'Say which certificates are due, and renew them when told to.';
  static override description =
    'Without a renewing flag nothing is changed. From cron: certbus cert renewable --renew-all';
  static override args = {
    at: Args.string({ description: 'what is due by this instant, such as 2027-01-31; default now' }),
  };
  static override flags = {
    'renew-first': Flags.boolean({ char: 'r', description: 'renew the most urgent one', exclusive: ['renew-all'] }),
    'renew-all': Flags.boolean({ description: 'renew all of them' }),
  };

  async run(): Promise<Result> {
    const { args, flags } = await this.parse(CertRenewable);
    const at = args.at ? new Date(args.at) : new Date();
    if (Number.isNaN(at.getTime()))
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        `"${args.at}" is no instant; write one like 2027-01-31 or 2027-01-31T03:00:00Z.`,
      );
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
      if (!flags['renew-first'] && !flags['renew-all']) return { due, outcomes: [] };
      const limit = flags['renew-first'] ? 1 : undefined;
      const outcomes = await manager.renewDue({ signal: this.signal, at, onProgress, ...(limit ? { limit } : {}) });
      return { due, outcomes: this.#report(outcomes) };
    });
  }

  #report(outcomes: readonly RenewalOutcome[]): Result['outcomes'] {
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
      );
    }
    return outcomes.map(({ certificateId, outcome }) => ({ certificateId, outcome }));
  }
}
