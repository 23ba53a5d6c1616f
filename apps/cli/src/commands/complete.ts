/** `certbus complete`, which the scripts of `certbus completion` call. */
import { Args } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { candidates, configIn, type Subject } from '../completion/candidates.ts';
import { subjectsOf } from '../completion/subjects.ts';

export default class Complete extends BaseCommand {
  static override enableJsonFlag = false;
  static override hidden = true;
  static override summary = 'Print what can come next on a command line, one a line; for shells.';
  static override examples = ['<%= config.bin %> <%= command.id %> -- cert re'];
  static override args = {
    words: Args.string({ multiple: true, description: 'the words after "certbus"; the last is completed' }),
  };

  /** Nothing is typed yet of the word that comes next. */
  protected override readonly takesEmptyWords = true;
  protected override readonly takesDash = true;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Complete);
    const { words = [''] } = args;
    const environment = () => this.environment({ ...flags, config: configIn(words) ?? flags.config });
    // Without a bus a shell shows nothing.
    const subjects = (subject: Subject) => subjectsOf(subject, environment).catch(() => []);
    const found = await candidates(words, { commands: this.config.commands, subjects });
    if (found.length > 0) this.log(found.join('\n'));
  }
}
