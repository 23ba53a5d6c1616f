/** `certbus bus archive`. */
import { Flags } from '@oclif/core';
import { SigningCommand, YES_FLAG } from '../../base-command.ts';
import { many } from '../../counts.ts';

export default class BusArchive extends SigningCommand {
  static override summary = 'Put complete ranges of 10,000 commits into the archive.';
  static override description =
    'With --trim what is in the archive is deleted from the store, after reading it back; that needs the policy "operator" of "certbus bus bootstrap". Every follower must know the archive before.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --trim --keep 100000',
  ];
  static override flags = {
    trim: Flags.boolean({ description: 'delete from the store what is in the archive; asks first' }),
    keep: Flags.integer({ min: 1, default: 10_000, description: 'newest commits that stay' }),
    yes: YES_FLAG,
  };

  async run(): Promise<{ archived: number; first: number | undefined }> {
    const { flags } = await this.parse(BusArchive);
    const { signal } = this;
    const question = `Delete from the store all but the newest ${many(flags.keep, 'commit')}, once they are in the archive?`;
    const onProgress = (position: number) => this.progress(`archived up to position ${position}`);
    return this.withManager(flags, async (manager, { log }) => {
      if (flags.trim) await this.agree(question, flags);
      const { commits } = await manager.archive({ signal, onProgress });
      this.show(`${many(commits, 'commit')} archived`);
      if (!flags.trim) return { archived: commits, first: undefined };
      const { first } = await manager.trim({ log, keep: flags.keep, signal });
      this.show(`the store begins at position ${first}`);
      return { archived: commits, first };
    });
  }
}
