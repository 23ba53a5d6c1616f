/** `certbus alerts test`. */
import type { AlertTest } from '@certbus/manager';
import { Args } from '@oclif/core';
import { type AnswerError, describeError } from '../../answer.ts';
import { BaseCommand } from '../../base-command.ts';
import { many } from '../../counts.ts';
import { CliError } from '../../errors.ts';

/** What became of the test at one destination. */
interface Row {
  /** Name of the destination in the configuration. */
  readonly name: string;
  readonly taken: boolean;
  /** Why it did not take it. */
  readonly error: AnswerError | null;
}

const rowOf = ({ name, error }: AlertTest): Row => ({
  name,
  taken: error === undefined,
  error: error === undefined ? null : describeError(error),
});

export default class AlertsTest extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Send a test to the destinations of alerts, from this machine.';
  static override description =
    'Nothing is written to the bus. A destination takes the test where it answers with a status of 200 to 299 within 10 seconds; check there that it arrived. The exit status is 10 where one does not. Each manager sends alerts from its own machine: run this on all of them.';
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> on-call'];
  static override args = {
    name: Args.string({ description: 'the name of one destination in "alerts" of the configuration; default all' }),
  };

  async run(): Promise<{ destinations: Row[] }> {
    const { args, flags } = await this.parse(AlertsTest);
    const names = args.name === undefined ? undefined : [args.name];
    const results = await this.withManager(flags, async (manager) => {
      await manager.refresh({ signal: this.signal });
      return manager.testAlerts({ names, signal: this.signal });
    });
    const destinations = results.map(rowOf);
    const rows = destinations.map(({ name, error }) => [name, error === null ? 'taken' : error.message]);
    await this.printTable(['destination', 'test'], rows);
    const failed = destinations.filter(({ taken }) => !taken);
    if (failed.length === 0) return { destinations };
    const what = failed.map(({ error }) => error?.message).join(' ');
    const message = `${failed.length} of ${many(destinations.length, 'destination')} did not take the test. ${what}`;
    throw new CliError('CERTBUS_CLI_UNHEALTHY', message, { result: { destinations } });
  }
}
