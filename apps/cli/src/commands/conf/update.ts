/** `certbus conf update`: replaces the configuration on the bus. */
import type { ConfigureResult } from '@certbus/manager';
import { secretsOf } from '@certbus/runtime/local';
import { Flags } from '@oclif/core';
import { SigningCommand } from '../../base-command.ts';
import { describeChanges, parseDocument } from '../../configuration-document.ts';
import { CliError } from '../../errors.ts';
import { readStandardInput } from '../../text-input.ts';

export default class ConfUpdate extends SigningCommand {
  static override summary = 'Replace the configuration on the bus by the one on standard input.';
  static override description =
    'A secret that reads <redacted> keeps its stored value while the fields that decide where it is sent are unchanged. A document with "position", as "certbus conf display" prints it, is refused when somebody changed the configuration since then; one without replaces what is there. What differs is printed by path.';
  static override examples = ['<%= config.bin %> <%= command.id %> < config.json'];
  static override flags = {
    expect: Flags.integer({
      min: 1,
      description: 'refuse when the stored one is not of this position; default the "position" in the document',
    }),
  };

  async run(): Promise<ConfigureResult> {
    const { flags } = await this.parse(ConfUpdate);
    const { json, position } = parseDocument(await readStandardInput({ usage: 'certbus conf update < FILE' }));
    if (flags.expect !== undefined && position !== undefined && flags.expect !== position)
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        `--expect ${flags.expect} is not the "position" ${position} in the document. Leave one of them out.`,
      );
    const { withManager } = await import('@certbus/runtime');
    const { parseConfiguration, refusedSecrets } = await import('@certbus/manager');
    // Once: what "<(…)" of a shell names cannot be read again.
    const environment = this.environment(flags);
    const expectPosition = flags.expect ?? position;
    const { signal } = this;
    const result = await withManager(environment, (manager) => manager.configure(json, { expectPosition, signal }), {
      signal,
    });
    this.log(`the configuration is on the bus at position ${result.position}`);
    this.#print(result);
    for (const { variable, host, advice } of refusedSecrets(parseConfiguration(json), secretsOf(environment)))
      this.warn(
        `this machine does not allow ${variable} to be used at ${host}, so orders that need it fail here. ${advice}`,
      );
    return result;
  }

  #print({ changes }: ConfigureResult): void {
    const lines = describeChanges(changes);
    for (const line of lines.length > 0 ? lines : ['nothing differs from what was there']) this.show(line);
  }
}
