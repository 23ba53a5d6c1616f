/** `certbus account register`. */
import { Args } from '@oclif/core';
import { SigningCommand } from '../../base-command.ts';

export default class AccountRegister extends SigningCommand {
  static override summary = "Register this bus's account at a CA, where there is none yet.";
  static override description =
    'The terms of service were agreed to in the configuration. The first certificate registers the account, too.';
  static override examples = ['<%= config.bin %> <%= command.id %> letsencrypt'];
  static override args = {
    authority: Args.string({ description: 'name of the authority in the configuration; default its default' }),
  };

  async run(): Promise<{ accountUrl: string; directory: string }> {
    const { args, flags } = await this.parse(AccountRegister);
    const { accountUrl, directory } = await this.withManager(flags, (manager) =>
      manager.register({ authorityName: args.authority, signal: this.signal }),
    );
    this.log(accountUrl);
    return { accountUrl, directory };
  }
}
