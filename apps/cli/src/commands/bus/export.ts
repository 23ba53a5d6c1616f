/** `certbus bus export`. */
import { nothingThere } from '@certbus/runtime/local';
import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { allOf, many } from '../../counts.ts';

export default class BusExport extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Write the whole bus to one file, every signature verified.';
  static override description =
    'A file that exists is verified and added to, so that the same line in cron is an incremental backup, and an interrupted run is taken up. Copy the file to another place: it holds no key in the clear. "zstd -dc FILE" shows the text of the log.';
  static override examples = ['<%= config.bin %> <%= command.id %> backup.certbus'];
  static override args = { file: Args.string({ required: true, description: 'the file' }) };

  async run(): Promise<{ commits: number; hash: string | null }> {
    const { args, flags } = await this.parse(BusExport);
    const { openLocalBus } = await import('@certbus/runtime');
    const { exportBus } = await import('@certbus/store');
    const { openExportFile } = await import('@certbus/store/export-file');
    const environment = this.environment(flags);
    const { config } = environment;
    const { bus, close } = await openLocalBus(environment, { signal: this.signal });
    const file = await openExportFile(args.file, { create: true });
    try {
      const onProgress = (at: number) => this.progress(`${many(at, 'commit')} written so far`);
      const { position, hash } = await exportBus(bus, file, { signal: this.signal, onProgress });
      if (position === 0) throw nothingThere(config.bus);
      this.show(`${args.file} holds ${allOf(position, 'commit')}; the last one's hash is ${hash}`);
      return { commits: position, hash };
    } finally {
      await file.close();
      await close();
    }
  }
}
