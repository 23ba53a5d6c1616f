/** `certbus manager ls`. */
import type { Expulsion } from '@certbus/events/history';
import { BaseCommand } from '../../base-command.ts';
import { AT_FLAG } from '../../certificates/flags.ts';

interface Row {
  readonly name: string;
  readonly signingKey: string;
  readonly recipient: string;
  /** Whether it is the manager of this machine. */
  readonly isHere: boolean;
}

export default class ManagerLs extends BaseCommand {
  static override summary = 'List the managers of this bus: name, signing key, recipient.';
  static override description =
    'Needs no key. "this machine" marks the one whose key is here. Expelled keys are in --json, and counted. On a terminal a table; piped, tab-separated lines without a header.';
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];
  static override aliases = ['manager:list'];
  static override flags = { at: AT_FLAG };

  async run(): Promise<{ managers: Row[]; expelled: readonly Expulsion[]; position: number; rootSequence: number }> {
    const { flags } = await this.parse(ManagerLs);
    const { findSigningKey, withRootState } = await import('@certbus/runtime');
    const environment = this.environment(flags);
    const own = await findSigningKey(environment, { signal: this.signal });
    const { managers, expelled, position, rootSequence } = await withRootState(
      environment,
      async ({ checkpoint }) => checkpoint,
      { at: flags.at, signal: this.signal },
    );
    const rows = managers.map((manager): Row => ({ ...manager, isHere: manager.signingKey === own }));
    await this.printTable(
      ['name', 'signing key', 'recipient', ''],
      rows.map(({ name, signingKey, recipient, isHere }) => [
        name,
        signingKey,
        recipient,
        isHere ? 'this machine' : '',
      ]),
    );
    if (position === 0) this.progress('the bus did not exist at that time');
    if (expelled.length > 0) this.progress(`expelled: ${expelled.map(({ manager }) => manager).join(', ')}`);
    return { managers: rows, expelled, position, rootSequence };
  }
}
