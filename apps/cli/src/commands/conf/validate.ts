/** `certbus conf validate`. */
import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { parseDocument } from '../../configuration-document.ts';
import { readText } from '../../text-input.ts';

export default class ConfValidate extends BaseCommand {
  protected override readonly takesDash = true;
  protected override readonly goesOnUnread = true;

  static override summary = 'Check a configuration without putting it on the bus.';
  static override description = 'Needs no bus and no key. A secret that reads <redacted> counts as one.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> config.json',
    '<%= config.bin %> <%= command.id %> - < config.json',
  ];
  static override args = {
    file: Args.string({ required: true, description: 'the configuration; - for standard input' }),
  };

  async run(): Promise<{ authorities: string[]; providers: string[] }> {
    const { args } = await this.parse(ConfValidate);
    const document = await readText(args.file, { usage: 'certbus conf validate - < FILE' });
    const { checkDirectories, parseConfiguration } = await import('@certbus/manager');
    const source = args.file === '-' ? undefined : args.file;
    const configuration = parseConfiguration(parseDocument(document, source).json);
    checkDirectories(configuration);
    const { authorities, dns = [] } = configuration;
    const names = Object.keys(authorities);
    this.show(`the configuration is valid: authorities ${names.join(', ')}`);
    return { authorities: names, providers: dns.map(({ provider }) => provider) };
  }
}
