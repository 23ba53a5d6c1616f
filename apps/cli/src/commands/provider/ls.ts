/** `certbus provider ls`. */
import { BaseCommand } from '../../base-command.ts';

export default class ProviderLs extends BaseCommand {
  static override summary = 'List the DNS providers that can answer DNS-01.';
  static override examples = ['<%= config.bin %> <%= command.id %>'];
  static override aliases = ['provider:list'];

  async run(): Promise<{ providers: { name: string; summary: string }[] }> {
    await this.parse(ProviderLs);
    const { PROVIDERS } = await import('@certbus/solvers');
    const providers = PROVIDERS.map(({ name, summary }) => ({ name, summary }));
    await this.printTable(
      ['provider', 'what it is'],
      providers.map(({ name, summary }) => [name, summary]),
    );
    return { providers };
  }
}
