/** `certbus account deactivate`. */
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { CliError } from '../../errors.ts';
import { canAsk, confirm } from '../../prompt.ts';

export default class AccountDeactivate extends BaseCommand {
  static override summary = "Deactivate this bus's account at a CA, for ever (RFC 8555 section 7.3.6).";
  static override description =
    'Its certificates stay valid and served, and cannot be renewed there any more. A CA that is gone for ever is not asked with --forget; then a roll-over of the other accounts can end. Take the CA out of the configuration, or give the bus a fresh key before you register anew.';
  static override args = {
    authority: Args.string({
      required: true,
      description: 'name of the authority in the configuration; with --forget its directory will do, too',
    }),
  };
  static override flags = {
    forget: Flags.boolean({ description: 'do not ask the CA, which is gone: say so on the bus alone' }),
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
    const { withManager } = await import('@certbus/runtime');
    return withManager(this.environment(flags), async (manager) => {
      const { authority } = args;
      const question = `Deactivate the account at ${authority} for ever? Its certificates cannot be renewed there any more.`;
      const deactivated = flags.yes || (await confirm(question, this.signal));
      const closed = deactivated
        ? await manager.closeAccount({ authorityName: authority, forget: flags.forget, signal: this.signal })
        : undefined;
      const done = flags.forget ? 'forgot' : 'deactivated';
      this.log(closed ? `${done} ${closed.accountUrl}` : 'nothing was deactivated');
      return { authority, accountUrl: closed?.accountUrl, deactivated };
    });
  }
}
