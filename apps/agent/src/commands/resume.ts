/** `certbus-agent resume`. */
import { Args } from '@oclif/core';
import { BaseCommand } from '../command-line/base-command.ts';
import { namedTargets, pausesFor } from '../command-line/paused-targets.ts';

export default class Resume extends BaseCommand {
  static override summary = 'Bring a paused target up to date again; without a name, all of them.';
  static override examples = ['<%= config.bin %> <%= command.id %> haproxy'];
  static override args = { target: Args.string({ description: 'name of the target' }) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Resume);
    const configuration = this.configuration(flags);
    const pauses = pausesFor(configuration);
    const targets = namedTargets(configuration, args.target).map(({ name }) => name);
    const resumed = targets.filter((name) => pauses.resume(name));
    const others = targets.filter((name) => !resumed.includes(name));
    if (resumed.length > 0) this.log(`resumed: ${resumed.join(', ')}`);
    if (others.length > 0) this.log(`not paused: ${others.join(', ')}`);
    return { targets, resumed };
  }
}
