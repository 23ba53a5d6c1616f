/** `certbus completion`. */
import { Args } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { SCRIPTS, SHELLS } from '../completion/scripts.ts';

export default class Completion extends BaseCommand {
  static override enableJsonFlag = false;
  static override summary = 'Print what a shell evaluates to complete command lines.';
  static override description =
    'Commands, flags and their values are completed, and the ids and names of certificates, as this machine has last read them.';
  static override examples = [
    'eval "$(<%= config.bin %> <%= command.id %> bash)"',
    '<%= config.bin %> <%= command.id %> fish > ~/.config/fish/completions/certbus.fish',
  ];
  static override args = {
    shell: Args.string({ required: true, options: [...SHELLS], description: 'the shell' }),
  };

  async run(): Promise<void> {
    const { args } = await this.parse(Completion);
    const shell = SHELLS.find((each) => each === args.shell);
    if (shell) this.log(SCRIPTS[shell]);
  }
}
