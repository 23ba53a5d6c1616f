/** `certbus bus import`. */
import { trustOf } from '@certbus/runtime/local';
import type { Log } from '@certbus/store';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { allOf, many } from '../../counts.ts';

export default class BusImport extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Write an export into a new store.';
  static override description =
    'Everything is verified against the trust file before anything is written. Without --bus it goes to the bus of the local configuration. An interrupted run is taken up where it stopped; a stream that holds anything else is left as it is. Where the export is older than what load balancers have read, go on with "certbus bus restored"; one that ends below the floor of bus.pub needs --accept-stale.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> backup.certbus',
    '<%= config.bin %> <%= command.id %> backup.certbus --bus sqlite:./new.db#certbus',
  ];
  static override args = { file: Args.string({ required: true, description: 'the file' }) };
  static override flags = {
    bus: Flags.string({ description: 'address of the bus to make' }),
    'accept-stale': Flags.boolean({ description: 'import an export that ends below the floor of bus.pub' }),
  };

  async run(): Promise<{ commits: number; bus: string }> {
    const { args, flags } = await this.parse(BusImport);
    const { importBus, parseAddress, resolveAddress } = await import('@certbus/store');
    const { openLog } = await import('@certbus/store/open');
    const { openExportFile } = await import('@certbus/store/export-file');
    const { config, outgoing } = this.environment(flags);
    const address = flags.bus ? resolveAddress(flags.bus, process.cwd()) : config.bus;
    const file = await openExportFile(args.file);
    let log: Log | undefined;
    const open = async () => {
      log = await openLog(address, { create: true, outgoing, signal: this.signal });
      return log;
    };
    try {
      const { stream } = parseAddress(address);
      const onProgress = (at: number) => this.progress(`${many(at, 'commit')} written`);
      const acceptStale = flags['accept-stale'];
      const options = { stream, trust: trustOf(config), acceptStale, signal: this.signal, onProgress };
      const { position } = await importBus(file, open, options);
      this.show(`${address} holds ${allOf(position, 'commit')} of ${args.file}`);
      return { commits: position, bus: address };
    } finally {
      await log?.close();
      await file.close();
    }
  }
}
