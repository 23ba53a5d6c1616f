/** `certbus conf update`. */
import { text } from 'node:stream/consumers';
import { jsonFaultOf, RuntimeError, secretsOf } from '@certbus/runtime/local';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { CliError } from '../../errors.ts';

export default class ConfUpdate extends BaseCommand {
  static override summary = 'Replace the configuration on the bus by the one on standard input.';
  static override description = 'A secret that reads <redacted> keeps its stored value.';
  static override examples = ['<%= config.bin %> <%= command.id %> < config.json'];
  static override flags = {
    expect: Flags.integer({ min: 1, description: 'refuse when the stored one is not of this position' }),
  };

  async run(): Promise<{ position: number }> {
    const { flags } = await this.parse(ConfUpdate);
    if (process.stdin.isTTY)
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        'The configuration is read from standard input: certbus conf update < FILE',
      );
    let json: unknown;
    try {
      json = JSON.parse(await text(process.stdin));
    } catch (error) {
      throw new RuntimeError(
        'CERTBUS_CLI_CONFIG_INVALID',
        `What came on standard input is not JSON: ${jsonFaultOf(error)}.`,
      );
    }
    const { withManager } = await import('@certbus/runtime');
    const { parseConfiguration, refusedSecrets } = await import('@certbus/manager');
    const environment = this.environment(flags);
    const result = await withManager(environment, (manager) =>
      manager.configure(json, flags.expect === undefined ? {} : { expectPosition: flags.expect }),
    );
    this.log(`the configuration is on the bus at position ${result.position}`);
    for (const { variable, host, advice } of refusedSecrets(parseConfiguration(json), secretsOf(environment)))
      this.warn(
        `this machine does not allow ${variable} to be used at ${host}, so orders that need it fail here. ${advice}`,
      );
    return result;
  }
}
