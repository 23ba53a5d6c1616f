/** `certbus account rollover`. */
import { Flags } from '@oclif/core';
import { SigningCommand, YES_FLAG } from '../../base-command.ts';

export default class AccountRollover extends SigningCommand {
  static override summary = 'Give every ACME account of this bus a fresh key (RFC 8555 section 7.3.5).';
  static override description =
    'Account URLs stay, and so do CAA records that name them. The key is on the bus before a CA sees it: where this is interrupted, run it again. HTTP-01 orders that are under way meanwhile wait, or are tried again. A CA that cannot change keys leaves the account its key; with --replace another account takes its place there, whose URL is new.';
  static override examples = ['<%= config.bin %> <%= command.id %>'];
  static override flags = {
    replace: Flags.boolean({
      description: 'where a CA cannot change keys: register another account there, and deactivate the one before',
    }),
    yes: YES_FLAG,
  };

  async run(): Promise<{ accounts: { directory: string; accountUrl: string; thumbprint: string }[] }> {
    const { flags } = await this.parse(AccountRollover);
    const rolled = await this.withManager(flags, async (manager) => {
      const { replace } = flags;
      const question =
        'Deactivate the accounts whose key their CA cannot change, and register others in their place? Records in DNS that name an account URL have to name the new one then, and nothing takes it back.';
      if (replace) await this.agree(question, flags);
      return manager.rollOverAccounts({ replace, signal: this.signal });
    });
    const accounts = rolled.map(({ directory, accountUrl, thumbprint }) => ({ directory, accountUrl, thumbprint }));
    for (const { accountUrl, thumbprint } of accounts) this.show(`${accountUrl} has a fresh key, ${thumbprint}`);
    return { accounts };
  }
}
