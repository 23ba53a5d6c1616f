/** `certbus account rollover`. */
import { BaseCommand } from '../../base-command.ts';

export default class AccountRollover extends BaseCommand {
  static override summary = 'Give every ACME account of this bus a fresh key (RFC 8555 section 7.3.5).';
  static override description =
    'Account URLs stay, and so do CAA records that name them. The key lies on the bus before a CA hears of it: where this is interrupted, run it again. HTTP-01 orders that are under way meanwhile wait, or are tried again.';

  async run(): Promise<{ accounts: { directory: string; accountUrl: string; thumbprint: string }[] }> {
    const { flags } = await this.parse(AccountRollover);
    const { withManager } = await import('@certbus/runtime');
    const rolled = await withManager(this.environment(flags), (manager) =>
      manager.rollOverAccounts({ signal: this.signal }),
    );
    const accounts = rolled.map(({ directory, accountUrl, thumbprint }) => ({ directory, accountUrl, thumbprint }));
    for (const { accountUrl, thumbprint } of accounts) this.log(`${accountUrl} has a fresh key, ${thumbprint}`);
    return { accounts };
  }
}
