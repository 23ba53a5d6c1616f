/** `certbus recipient ls`. */
import { BaseCommand } from '../../base-command.ts';
import { AT_FLAG } from '../../certificates/flags.ts';

interface Row {
  readonly name: string;
  readonly recipient: string;
}

export default class RecipientLs extends BaseCommand {
  static override summary = 'List whom private keys of this bus are sealed to: name, recipient.';
  static override description =
    'Needs no key. What was sealed before position "since" is sealed to those who were named then. On a terminal a table; piped, tab-separated lines without a header.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> --json',
    '<%= config.bin %> <%= command.id %> --at 2027-01-31',
  ];
  static override aliases = ['recipient:list'];
  static override flags = { at: AT_FLAG };

  async run(): Promise<{ recipients: readonly Row[]; since: number; position: number }> {
    const { flags } = await this.parse(RecipientLs);
    const { withRootState } = await import('@certbus/runtime');
    const { recipients, recipientsPosition, position } = await withRootState(
      this.environment(flags),
      async ({ checkpoint }) => checkpoint,
      { at: flags.at, signal: this.signal },
    );
    await this.printTable(
      ['name', 'recipient'],
      recipients.map(({ name, recipient }) => [name, recipient]),
    );
    if (position > 0) this.progress(`this list is in force since position ${recipientsPosition}`);
    else this.progress('the bus did not exist at that time');
    return { recipients, since: recipientsPosition, position };
  }
}
