/** The help of `certbus`: its commands in groups, and pages about more than one command. */
import { type Command, Help as StandardHelp, toConfiguredId } from '@oclif/core';
import { GROUPS, groupOf } from './groups.ts';
import { PAGES } from './pages.ts';

/** Help as oclif writes it, but for the top level. */
export class Help extends StandardHelp {
  override formatRoot(): string {
    const usage = this.section('USAGE', `$ ${this.config.bin} COMMAND [FLAGS]`);
    return `${this.config.pjson.description}.\n\n${usage}`;
  }

  override async showHelp(argv: string[]): Promise<void> {
    const typed = process.argv.slice(2);
    const [topic = ''] = argv;
    // A topic that is followed by a flag is all that oclif passes, and what comes behind the flag would be passed over.
    if (argv.length === 1 && typed[0] === topic && typed.length > 1 && this.config.findTopic(topic)) {
      const { refuseFlagFirst } = await import('../hooks/command-not-found.ts');
      refuseFlagFirst(typed, this.config);
      return;
    }
    await super.showHelp(argv);
  }

  override async showRootHelp(): Promise<void> {
    this.log(this.formatRoot());
    const ids = new Set(this.config.commands.filter(({ hidden }) => !hidden).map(({ id }) => id));
    const aliases = new Set(this.config.commands.flatMap((command) => command.aliases));
    const commands = this.config.commands.filter(({ id }) => ids.has(id) && !aliases.has(id));
    for (const [title] of GROUPS) this.log(`\n${this.section(title, this.#list(title, commands))}`);
    const pages = Object.entries(PAGES).map(([name, { summary }]): [string, string] => [name, summary]);
    this.log(`\n${this.section('MORE', this.renderList(pages, { indentation: 2 }))}`);
    this.log(`\n"${this.config.bin} help COMMAND" shows a command, "${this.config.bin} help environment" a page.`);
  }

  #list(title: string, commands: readonly Command.Loadable[]): string {
    const rows = commands
      .filter(({ id }) => groupOf(id) === title)
      .map((command): [string, string | undefined] => [toConfiguredId(command.id, this.config), this.summary(command)]);
    return this.renderList(
      rows.toSorted(([a], [b]) => (a < b ? -1 : 1)),
      { indentation: 2 },
    );
  }
}
