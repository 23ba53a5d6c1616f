/** `certbus-agent pause`. */
import { Args } from '@oclif/core';
import { BaseCommand } from '../command-line/base-command.ts';
import { namedTargets, pausesFor } from '../command-line/paused-targets.ts';

export default class Pause extends BaseCommand {
  static override summary = 'Leave a target as it is, for maintenance; without a name, all of them.';
  static override examples = ['<%= config.bin %> <%= command.id %> haproxy'];
  static override args = { target: Args.string({ description: 'name of the target' }) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Pause);
    const configuration = this.configuration(flags);
    const pauses = pausesFor(configuration);
    const targets = namedTargets(configuration, args.target);
    for (const name of targets) pauses.pause(name);
    this.log(`paused: ${targets.join(', ')}`);
    return { targets };
  }
}
