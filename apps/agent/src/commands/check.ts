/** `certbus-agent check`. */
import { clean } from '@certbus/events';
import { BaseCommand } from '../command-line/base-command.ts';
import { UnhealthyError } from '../errors.ts';
import { preview } from '../preview.ts';

const SHOWN = 10;

export default class Check extends BaseCommand {
  protected override readonly changes = false;
  static override summary = 'Try the bus, the identity and every target, and show what would change. Changes nothing.';
  static override examples = ['<%= config.bin %> <%= command.id %>'];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Check);
    const found = await preview(this.configuration(flags), this.signal);
    this.log(`bus: ${found.live ? 'answers' : 'does not answer'}, position ${found.position}`);
    if (found.trouble) this.log(`  ${clean(found.trouble)}`);
    const keys = found.unopened.length;
    this.log(keys === 0 ? 'identity: opens every key' : `identity: keys that do not open with it: ${keys}`);
    for (const id of found.unopened.slice(0, SHOWN)) this.log(`  ${id}`);
    for (const { name, problems, put, remove, inPlace, isInEffect, notes } of found.targets) {
      this.log(`${name}: ${inPlace} in place, ${put.length} to put, ${remove.length} to remove`);
      for (const names of put.slice(0, SHOWN)) this.log(clean(`  put ${names.join(', ')}`));
      for (const id of remove.slice(0, SHOWN)) this.log(`  remove ${id}`);
      // Where something is put or removed as well, that brings it into effect.
      if (!isInEffect && put.length + remove.length === 0 && inPlace > 0)
        this.log(
          '  not in effect yet: the balancer is still to be notified, a command still to be run, or a file to get its owner or mode back',
        );
      for (const note of notes.slice(0, SHOWN)) this.log(clean(`  note: ${note}`));
      for (const problem of problems) this.log(clean(`  problem: ${problem}`));
    }
    const isGood = found.live && keys === 0 && found.targets.every(({ problems }) => problems.length === 0);
    if (isGood) return found;
    throw new UnhealthyError('Not everything is as it should be; see above.', found);
  }
}
