/** `certbus cert renewable`. */
import { dueSince } from '@certbus/events';
import type { Manager, RenewalOutcome, RunProblem } from '@certbus/manager';
import { Args, Flags } from '@oclif/core';
import { type AnswerError, describeError } from '../../answer.ts';
import { SigningCommand } from '../../base-command.ts';
import { many } from '../../counts.ts';
import { CliError } from '../../errors.ts';
import { parseInstant } from '../../instant.ts';
import { describePutOff, firstOf } from '../../put-off.ts';

/** What is wanted, and not renewed now. */
interface PutOffRow {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly notAfter: string | undefined;
  readonly reason: 'claimed' | 'backed-off' | 'quarantined';
  readonly holder: string | undefined;
  readonly until: string;
  /** Whether it has ended, was revoked, or has a sixth of its lifetime or less left. */
  readonly isEnding: boolean;
}

interface Result {
  readonly due: readonly {
    readonly certificateId: string;
    readonly names: readonly string[];
    readonly since: string;
  }[];
  readonly putOff: readonly PutOffRow[];
  /** One for each certificate that was taken up, and for what is left that has ended or is about to; empty without a renewing flag. */
  readonly outcomes: readonly Outcome[];
  /** What went wrong apart from the renewals, such as the check-in; the next run tries it again. */
  readonly problems: readonly (AnswerError & Pick<RunProblem, 'during'>)[];
}

/** What became of one certificate. */
interface Outcome extends Omit<RenewalOutcome, 'error' | 'until'> {
  /** Why it failed or was postponed. */
  readonly error?: AnswerError;
  readonly until?: string;
}

const rowOf = ({ error, until, ...outcome }: RenewalOutcome): Outcome => ({
  ...outcome,
  ...(error === undefined ? {} : { error: describeError(error) }),
  ...(until === undefined ? {} : { until: until.toISOString() }),
});

const messageOf = ({ error }: RenewalOutcome): string => (error instanceof Error ? error.message : 'unknown');

/** Each reason once, under the certificates that failed for it: an outage has one reason for a thousand. */
function describeFailures(failed: readonly RenewalOutcome[]): string[] {
  return [...Map.groupBy(failed, messageOf)].map(([message, alike]) => {
    const shown = alike.map(({ certificateId, names }) => `${certificateId} (${names.join(', ')})`);
    return `${firstOf(shown).join(', ')}: ${message}`;
  });
}

/** What was not tried in a run, since its CA was found down. */
const isRefused = ({ outcome, error }: RenewalOutcome): boolean => outcome === 'postponed' && error !== undefined;

/** Failures of a run in words; `undefined` where it has none. */
function failuresOf(outcomes: readonly RenewalOutcome[]): string | undefined {
  const failed = outcomes.filter(({ outcome }) => outcome === 'failed');
  const refused = outcomes.filter(isRefused);
  const tried = outcomes.filter(({ outcome }) => outcome !== 'backed-off').length;
  if (failed.length === 0 && refused.length === 0) return undefined;
  if (failed.length === 0)
    return `${refused.length} of ${many(tried, 'renewal')} not tried:\n${describeFailures(refused).join('\n')}`;
  const what = describeFailures(failed);
  if (refused.length > 0)
    what.push(`${many(refused.length, 'other')} from the same CA not tried; the next run goes on with what is left.`);
  return `${failed.length} of ${many(tried, 'renewal')} failed:\n${what.join('\n')}`;
}

/** An outcome in words, where it is not a failure. */
function describeOutcome({ certificateId, outcome, serialNumber, holder, until, limit, lost }: RenewalOutcome): string {
  const details = [
    serialNumber && `serial number ${serialNumber}`,
    holder,
    until && `until ${until.toISOString()}`,
    lost?.detail,
    limit && `by the limit ${limit.limit} of ${limit.subject}`,
  ];
  return [`${certificateId}: ${outcome}`, ...details.filter((detail) => detail !== undefined)].join(', ');
}

function putOffBy(manager: Manager): PutOffRow[] {
  return manager.putOff().map(({ certificate: { certificateId, names, current }, hold, isEnding }) => {
    const holder = hold.kind === 'claimed' ? hold.holder : undefined;
    const notAfter = current?.notAfter;
    return { certificateId, names, notAfter, reason: hold.kind, holder, until: hold.until.toISOString(), isEnding };
  });
}

/** Throws `CERTBUS_CLI_UNHEALTHY` where so many that have ended, or are about to, were not renewed. */
function checkEnding(count: number, result: Result): void {
  if (count === 0) return;
  const what =
    count === 1
      ? '1 certificate that has ended or is about to was'
      : `${count} certificates that have ended or are about to were`;
  const next =
    '"certbus cert renewable --renew-all" renews what is due; "certbus cert cat ID" shows what another one waits for';
  throw new CliError('CERTBUS_CLI_UNHEALTHY', `${what} not renewed. ${next}.`, { result });
}

export default class CertRenewable extends SigningCommand {
  static override summary = 'List which certificates are due; renew them with --renew-all.';
  static override description =
    'Without a renewing flag nothing is changed. From cron: certbus cert renewable --renew-all. The exit status is 10 where something that has ended or is about to is not renewed, also where another manager claims it.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> 2027-01-31',
    '<%= config.bin %> <%= command.id %> --renew-all',
  ];
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
      const message = `With a date (${args.at}) the command only lists what will be due by then; --renew-first and --renew-all renew what is due now. Leave one of them out.`;
      throw new CliError('CERTBUS_CLI_USAGE', message);
    }
    const at = args.at === undefined ? new Date() : parseInstant(args.at);
    const { isEnding } = await import('@certbus/manager');
    return this.withManager(flags, async (manager) => {
      await manager.refresh({ signal: this.signal });
      const ending = manager.due(at).filter((certificate) => isEnding(certificate, new Date())).length;
      const due = manager.due(at).map((certificate) => ({
        certificateId: certificate.certificateId,
        names: certificate.names,
        since: dueSince(certificate, new Date())?.toISOString() ?? '',
      }));
      const putOff = putOffBy(manager);
      await this.printTable(
        ['id', 'due since', 'domains'],
        due.map(({ certificateId, names, since }) => [certificateId, since, names.join(', ')]),
      );
      const waiting = manager.putOff().map(({ certificate, hold }) => describePutOff(certificate, hold));
      for (const line of firstOf(waiting)) this.progress(line);
      if (due.length === 0 && putOff.length === 0)
        this.progress(`nothing is due${args.at ? ` by ${at.toISOString()}` : ''}`);
      if (!renews) {
        const result: Result = { due, putOff, outcomes: [], problems: [] };
        checkEnding(ending + putOff.filter((each) => each.isEnding).length, result);
        return result;
      }
      const limit = flags['renew-first'] ? 1 : undefined;
      const options = { signal: this.signal, ...(limit ? { limit } : {}) };
      const ran = await this.withDisplay(({ onProgress }) => manager.runOnce({ ...options, onProgress }));
      const problems = ran.problems.map(({ during, error }) => ({ during, ...describeError(error) }));
      const result: Result = { due, putOff, outcomes: ran.outcomes.map(rowOf), problems };
      for (const { message } of problems) this.warn(message);
      this.#report(ran.outcomes, result);
      return result;
    });
  }

  #report(outcomes: readonly RenewalOutcome[], result: Result): void {
    for (const each of outcomes) if (each.outcome !== 'failed' && !isRefused(each)) this.show(describeOutcome(each));
    const failures = failuresOf(outcomes);
    if (failures !== undefined) throw new CliError('CERTBUS_CLI_RENEWAL_FAILED', failures, { result });
    checkEnding(outcomes.filter((each) => each.isEnding).length, result);
  }
}
