/** `certbus-agent pause`. */
import { Args } from '@oclif/core';
import { BaseCommand } from '../command-line/base-command.ts';
import { namedTargets, pausesFor } from '../command-line/paused-targets.ts';
import { UnhealthyError } from '../errors.ts';
import { turnsAt } from '../reconcile/turns.ts';
import { stateDirectoryOfAgent } from '../state-directory.ts';

/** How long changes that had begun may take to end, milliseconds. */
const END_MS = 30_000;

export default class Pause extends BaseCommand {
  static override summary = 'Leave a target as it is, for maintenance; without a name, all of them.';
  static override description =
    'Waits up to 30 seconds for the end of a change that had begun, and ends with status 10 where one goes on.';
  static override examples = ['<%= config.bin %> <%= command.id %> haproxy'];
  static override args = { target: Args.string({ description: 'name of the target' }) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Pause);
    const configuration = this.configuration(flags);
    const pauses = pausesFor(configuration);
    const paused = namedTargets(configuration, args.target);
    const targets = paused.map(({ name }) => name);
    for (const name of targets) pauses.pause(name);
    this.log(`paused: ${targets.join(', ')}`);
    const stateDirectory = stateDirectoryOfAgent(configuration);
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(END_MS)]);
    const changing: string[] = [];
    for (const target of paused) {
      const turn = await turnsAt(stateDirectory, target, configuration.targets)(signal).catch(() => undefined);
      turn?.end();
      if (!turn) changing.push(target.name);
    }
    this.signal.throwIfAborted();
    if (changing.length === 0) return { targets };
    const what = `A change that had begun before the pause goes on at ${changing.join(', ')}. Run the same command again to wait for its end.`;
    throw new UnhealthyError(what, { targets, changing });
  }
}
