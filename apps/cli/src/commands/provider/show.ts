/** `certbus provider show`. */
import type { DnsProvider } from '@certbus/solvers';
import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';

export default class ProviderShow extends BaseCommand {
  static override summary = 'Show the settings of a DNS provider, with an example.';
  static override description =
    'Define them under "dns" in the configuration: certbus conf display > FILE, then certbus conf update < FILE. "certbus init --dns-settings FILE" takes one of them.';
  static override examples = ['<%= config.bin %> <%= command.id %> route53'];
  static override args = { name: Args.string({ required: true, description: 'as "certbus provider ls" lists it' }) };

  async run(): Promise<Pick<DnsProvider, 'name' | 'summary' | 'example' | 'fields'>> {
    const { args } = await this.parse(ProviderShow);
    const { providerNamed } = await import('../../dns-flags.ts');
    const { name, summary, example, fields } = providerNamed(args.name);
    this.log(`${name}: ${summary}\n`);
    const width = Math.max(...fields.map((field) => field.name.length));
    for (const field of fields) {
      const marks = [field.isRequired ? 'required' : '', field.isSecret ? 'secret' : ''].filter(Boolean).join(', ');
      this.log(`  ${field.name.padEnd(width)}  ${field.description}${marks ? ` (${marks})` : ''}`);
    }
    this.log(`\n${JSON.stringify(example, null, 2)}`);
    return { name, summary, example, fields };
  }
}
