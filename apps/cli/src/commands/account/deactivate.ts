import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { CliError } from '../../errors.ts';
import { canAsk, confirm } from '../../prompt.ts';

export default class AccountDeactivate extends BaseCommand {
  static override summary = "Deactivate this bus's account at a CA, for ever (RFC 8555 section 7.3.6).";
  static override description =
    'Its certificates stay valid and served, and cannot be renewed there any more. Take the CA out of the configuration, or give the bus a fresh key before you register anew.';
  static override args = {
    authority: Args.string({ required: true, description: 'name of the authority in the configuration' }),
  };
  static override flags = {
    yes: Flags.boolean({ char: 'y', description: 'do not ask; needed where there is no terminal' }),
  };

  async run(): Promise<{ authority: string; accountUrl: string | undefined; deactivated: boolean }> {
    const { args, flags } = await this.parse(AccountDeactivate);
    // Nothing takes it back: what nobody can be asked about has to be said.
    if (!flags.yes && (this.jsonEnabled() || !canAsk()))
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        `The account at ${args.authority} would be gone for ever, and nobody can be asked here: say --yes.`,
      );
    const { withManager } = await import('../../compose.ts');
    return withManager(this.localConfig(flags), async (manager) => {
      const { authority } = args;
      const question = `Deactivate the account at ${authority} for ever? Its certificates cannot be renewed there any more.`;
      const deactivated = flags.yes || (await confirm(question, this.signal));
      const closed = deactivated ? await manager.closeAccount({ authority, signal: this.signal }) : undefined;
      this.log(closed ? `deactivated ${closed.accountUrl}` : 'nothing was deactivated');
      return { authority, accountUrl: closed?.accountUrl, deactivated };
    });
  }
}
