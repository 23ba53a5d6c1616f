/** `certbus account ls`. */
import { BaseCommand } from '../../base-command.ts';

interface Row {
  /** Name in the configuration; `undefined` where it is there no more. */
  readonly authority: string | undefined;
  readonly directory: string;
  readonly accountUrl: string;
  readonly thumbprint: string;
  /** Whether an interrupted roll-over has yet to reach it. */
  readonly rollingOver: boolean;
}

export default class AccountLs extends BaseCommand {
  static override summary = 'List the ACME accounts of this bus: authority, directory, account URL, thumbprint.';
  static override description =
    'The account URL is what a CAA record names (RFC 8657): 0 issue "CA; accounturi=URL". On a terminal a table; piped, tab-separated lines without a header.';
  static override examples = ['<%= config.bin %> <%= command.id %> --json'];
  static override aliases = ['account:list'];

  async run(): Promise<{ accounts: Row[] }> {
    const { flags } = await this.parse(AccountLs);
    const { withManager } = await import('@certbus/runtime');
    const accounts = await withManager(this.environment(flags), async (manager) => {
      await manager.refresh({ signal: this.signal });
      const names = await manager.authorities();
      const { accounts: known, nextAccountKeys } = manager.state.bus;
      return known.map(({ directory, accountUrl, thumbprint }): Row => {
        const authority = names.find((each) => each.directory === directory)?.name;
        const rollingOver = nextAccountKeys.some((next) => next.directory === directory);
        return { authority, directory, accountUrl, thumbprint, rollingOver };
      });
    });
    const rows = accounts.map(({ authority = 'not configured', directory, accountUrl, thumbprint }) => [
      authority,
      directory,
      accountUrl,
      thumbprint,
    ]);
    await this.printTable(['authority', 'directory', 'account', 'thumbprint'], rows);
    if (rows.length === 0) this.progress('no accounts; make one with "certbus account register"');
    if (accounts.some(({ rollingOver }) => rollingOver))
      this.warn('a roll-over was interrupted; "certbus account rollover" completes it');
    return { accounts };
  }
}
