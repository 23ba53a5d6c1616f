/** `certbus help`. */
import { Args, loadHelpClass, toStandardizedId } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { PAGES } from '../help/pages.ts';

export default class HelpCommand extends BaseCommand {
  static override enableJsonFlag = false;
  static override summary = 'Show help about a command, or a page about more than one.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> cert mk',
    '<%= config.bin %> <%= command.id %> exit-codes',
  ];
  static override args = {
    subject: Args.string({
      multiple: true,
      description: `a command, or one of ${Object.keys(PAGES).join(', ')}`,
    }),
  };

  async run(): Promise<void> {
    const { subject = [] } = (await this.parse(HelpCommand)).args;
    const [first = ''] = subject;
    const page = subject.length === 1 && Object.hasOwn(PAGES, first) ? PAGES[first] : undefined;
    if (page) return this.log(page.text.trimEnd());
    const id = toStandardizedId(subject.join(' '), this.config);
    const isKnown = id === '' || this.config.findCommand(id) || this.config.findTopic(id);
    if (!isKnown) {
      const { commandsByName, reportNotFound, similar } = await import('../hooks/command-not-found.ts');
      const { bin } = this.config;
      const typed = subject.join(' ');
      const pages = Object.keys(PAGES).map((name) => [name, name] as const);
      const found = similar(typed, new Map([...commandsByName(this.config), ...pages]));
      const message = `"${typed}" is not a command, and not a page of the help.`;
      reportNotFound({ message, found: found.map((name) => `${bin} help ${name}`), argv: this.argv, bin });
      return;
    }
    const Help = await loadHelpClass(this.config);
    await new Help(this.config, this.config.pjson.oclif.helpOptions).showHelp([...subject]);
  }
}
