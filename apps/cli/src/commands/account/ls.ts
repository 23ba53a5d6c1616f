/** `certbus account ls`. */
import type { BusState } from '@certbus/events/history';
import { BaseCommand } from '../../base-command.ts';
import { AT_FLAG } from '../../certificates/flags.ts';

interface Row {
  /** Name in the configuration; `undefined` where it is there no more. */
  readonly authority: string | undefined;
  readonly directory: string;
  readonly accountUrl: string;
  readonly thumbprint: string;
  /** Whether an interrupted roll-over has yet to reach it. */
  readonly rollingOver: boolean;
}

/** The accounts of a bus, with the names that the configuration has for their CAs. */
function rowsOf(
  { accounts, nextAccountKeys }: Pick<BusState, 'accounts' | 'nextAccountKeys'>,
  names: readonly { readonly name: string; readonly directory: string }[],
): Row[] {
  return accounts.map(({ directory, accountUrl, thumbprint }) => {
    const authority = names.find((each) => each.directory === directory)?.name;
    const rollingOver = nextAccountKeys.some((next) => next.directory === directory);
    return { authority, directory, accountUrl, thumbprint, rollingOver };
  });
}

export default class AccountLs extends BaseCommand {
  static override summary = 'List the ACME accounts of this bus: authority, directory, account URL, thumbprint.';
  static override description =
    'The account URL is what a CAA record names (RFC 8657): 0 issue "CA; accounturi=URL". On a terminal a table; piped, tab-separated lines without a header.';
  static override examples = ['<%= config.bin %> <%= command.id %> --json'];
  static override aliases = ['account:list'];
  static override flags = { at: AT_FLAG };

  async run(): Promise<{ accounts: Row[] }> {
    const { flags } = await this.parse(AccountLs);
    const accounts = await (flags.at ? this.#earlier(flags.at, flags) : this.#present(flags));
    const rows = accounts.map(({ authority = 'not configured', directory, accountUrl, thumbprint }) => [
      authority,
      directory,
      accountUrl,
      thumbprint,
    ]);
    await this.printTable(['authority', 'directory', 'account', 'thumbprint'], rows);
    if (rows.length === 0) this.progress('no accounts; make one with "certbus account register"');
    if (!flags.at && accounts.some(({ rollingOver }) => rollingOver))
      this.warn('a roll-over was interrupted; "certbus account rollover" completes it');
    return { accounts };
  }

  async #present(flags: { readonly config?: string | undefined }): Promise<Row[]> {
    return this.withManager(flags, async (manager) => {
      await manager.refresh({ signal: this.signal });
      return rowsOf(manager.state.bus, await manager.authorities());
    });
  }

  async #earlier(at: Date, flags: { readonly config?: string | undefined }): Promise<Row[]> {
    const [{ configurationOf, withPicture }, { parseConfiguration }] = await Promise.all([
      import('@certbus/runtime/picture'),
      import('@certbus/manager'),
    ]);
    const environment = this.environment(flags);
    const { signal } = this;
    return withPicture(
      environment,
      async (picture) => {
        const stored = await configurationOf(environment, picture, { signal });
        const authorities = stored && parseConfiguration(stored.json).authorities;
        const names = Object.entries(authorities ?? {}).map(([name, { directory }]) => ({ name, directory }));
        return rowsOf(picture.state.bus, names);
      },
      { at, signal },
    );
  }
}
