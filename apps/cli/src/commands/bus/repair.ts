/** `certbus bus repair`. */
import { Flags } from '@oclif/core';
import { BaseCommand, YES_FLAG } from '../../base-command.ts';

export default class BusRepair extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Put what was overwritten or removed back from an export.';
  static override description =
    'Run it with credentials of your own: the policy "operator" of "certbus bus bootstrap". Each position is changed only while exactly the wrong bytes that were read are still there. Followers go on by themselves once the bus is right. Take the stolen credentials away first.';
  static override examples = ['<%= config.bin %> <%= command.id %> --from backup.certbus --dry-run'];
  static override flags = {
    from: Flags.string({ required: true, description: 'a file that "certbus bus export" wrote' }),
    'dry-run': Flags.boolean({ description: 'only show what is wrong' }),
    'drop-tail': Flags.boolean({ description: 'delete what is wrong after the end of the export; asks first' }),
    yes: YES_FLAG,
  };

  async run(): Promise<{
    replaced: readonly number[];
    dropped: readonly number[];
    strays: number;
    first: number | undefined;
    position: number;
  }> {
    const { flags } = await this.parse(BusRepair);
    const { openLocalBus } = await import('@certbus/runtime');
    const { belowFloor, isBelowFloor } = await import('@certbus/events/history');
    const { repair } = await import('@certbus/store');
    const { openExportFile } = await import('@certbus/store/export-file');
    const dryRun = flags['dry-run'];
    const question = `Delete what is wrong on the bus after the end of ${flags.from}? No export holds it.`;
    const dropTail = flags['drop-tail'];
    const { log, stream, trust, close } = await openLocalBus(this.environment(flags), { signal: this.signal });
    const file = await openExportFile(flags.from);
    try {
      if (dropTail && !dryRun) await this.agree(question, flags);
      const options = { stream, trust, dryRun, dropTail, signal: this.signal };
      const { replaced, dropped, strays, first, checkpoint } = await repair(file, log, options);
      this.#report(replaced, dryRun ? 'would be put back' : 'put back');
      this.#report(dropped, dryRun ? 'wrong, and not in the export' : 'removed');
      if (strays > 0)
        this.show(
          `${dryRun ? 'wrong' : 'removed'}, at no position, and never written by CertBus: ${strays} ${strays === 1 ? 'entry' : 'entries'}`,
        );
      if (first !== undefined)
        this.show(`${dryRun ? 'wrong' : 'put right'}: where the stream begins, which is at position ${first}`);
      if (replaced.length + dropped.length + strays === 0 && first === undefined) this.show('nothing is wrong');
      this.show(`the history is good up to position ${checkpoint.position}`);
      if (isBelowFloor(trust, checkpoint)) this.warn(belowFloor(trust, checkpoint).message);
      return { replaced, dropped, strays, first, position: checkpoint.position };
    } finally {
      await file.close();
      await close();
    }
  }

  #report(positions: readonly number[], what: string): void {
    if (positions.length === 0) return;
    const shown = positions.slice(0, 10).join(', ');
    const more = positions.length > 10 ? ` … (${positions.length} commits)` : '';
    this.show(`${what}: ${shown}${more}`);
  }
}
