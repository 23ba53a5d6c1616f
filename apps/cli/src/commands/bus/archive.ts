/** `certbus bus archive`. */
import { Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';

export default class BusArchive extends BaseCommand {
  static override summary = 'Put complete ranges of 10,000 commits into the archive.';
  static override description =
    'With --trim the store lets go of what lies in the archive, after reading it back; that needs the policy "operator" of "certbus bus bootstrap". Every follower must know the archive before.';
  static override flags = {
    trim: Flags.boolean({ description: 'let go of what lies in the archive' }),
    keep: Flags.integer({ min: 1, default: 10_000, description: 'newest commits that stay' }),
  };

  async run(): Promise<{ archived: number; first: number | undefined }> {
    const { flags } = await this.parse(BusArchive);
    const { withManager } = await import('@certbus/runtime');
    const { signal } = this;
    const onProgress = (position: number) => this.progress(`archived up to position ${position}`);
    return withManager(this.environment(flags), async (manager, { log }) => {
      const { commits } = await manager.archive({ signal, onProgress });
      this.log(`${commits} commits were archived`);
      if (!flags.trim) return { archived: commits, first: undefined };
      const { first } = await manager.trim({ log, keep: flags.keep, signal });
      this.log(`the store begins at position ${first}`);
      return { archived: commits, first };
    });
  }
}
