/** `certbus account deactivate`. */
import { Args, Flags } from '@oclif/core';
import { SigningCommand, YES_FLAG } from '../../base-command.ts';

export default class AccountDeactivate extends SigningCommand {
  static override summary = "Deactivate this bus's account at a CA (RFC 8555 section 7.3.6).";
  static override description =
    'Its certificates stay valid and served, and cannot be renewed there any more. This cannot be undone. With --forget the CA is not asked, for one that does not exist any more; after that a roll-over of the other accounts can be completed. Take the CA out of the configuration, or register another account there with "certbus account register".';
  static override examples = ['<%= config.bin %> <%= command.id %> letsencrypt'];
  static override args = {
    authority: Args.string({
      required: true,
      description: 'name of the authority in the configuration; with --forget also its directory',
    }),
  };
  static override flags = {
    forget: Flags.boolean({ description: 'do not ask the CA, which is gone: record it on the bus alone' }),
    yes: YES_FLAG,
  };

  async run(): Promise<{ authority: string; accountUrl: string }> {
    const { args, flags } = await this.parse(AccountDeactivate);
    return this.withManager(flags, async (manager) => {
      const { authority } = args;
      const question = `Deactivate the account at ${authority}? Its certificates cannot be renewed there any more, and this cannot be undone.`;
      const options = { authorityName: authority, forget: flags.forget, signal: this.signal };
      await manager.accountToClose(options);
      await this.agree(question, flags);
      const { accountUrl } = await manager.closeAccount(options);
      this.show(`${flags.forget ? 'forgot' : 'deactivated'} ${accountUrl}`);
      return { authority, accountUrl };
    });
  }
}
