/** `certbus alerts test`. */
import type { AlertTest } from '@certbus/manager';
import { Args } from '@oclif/core';
import { type AnswerError, describeError } from '../../answer.ts';
import { BaseCommand } from '../../base-command.ts';
import { many } from '../../counts.ts';
import { CliError } from '../../errors.ts';

/** What became of the test at one place. */
interface Row {
  /** Name of the place in the configuration. */
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
  static override summary = 'Send a test to the places that alerts are sent to, from this machine.';
  static override description =
    'Nothing is written to the bus. A place takes the test where it answers with a status of 200 to 299 within 10 seconds; look there whether it came. The exit status is 10 where one does not. Each manager sends alerts from its own machine: run this on all of them.';
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> on-call'];
  static override args = {
    name: Args.string({ description: 'the name of one place in "alerts" of the configuration; default all' }),
  };

  async run(): Promise<{ places: Row[] }> {
    const { args, flags } = await this.parse(AlertsTest);
    const { withManager } = await import('@certbus/runtime');
    const names = args.name === undefined ? undefined : [args.name];
    const results = await withManager(this.environment(flags), async (manager) => {
      await manager.refresh({ signal: this.signal });
      return manager.testAlerts({ names, signal: this.signal });
    });
    const places = results.map(rowOf);
    const rows = places.map(({ name, error }) => [name, error === null ? 'taken' : error.message]);
    await this.printTable(['place', 'test'], rows);
    const failed = places.filter(({ taken }) => !taken);
    if (failed.length === 0) return { places };
    const what = failed.map(({ error }) => error?.message).join(' ');
    const message = `${failed.length} of ${many(places.length, 'place')} did not take the test. ${what}`;
    throw new CliError('CERTBUS_CLI_UNHEALTHY', message, { result: { places } });
  }
}
