/** `certbus bus restored`. */
import { readParsedKey } from '@certbus/runtime/local';
import { BaseCommand } from '../../base-command.ts';

export default class BusRestored extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Record on a bus that was put back to an earlier state that it goes on from there.';
  static override description =
    'After a restore from a backup, or an import of an older export: followers that have read further build their replicas again, and serve what they have meanwhile. Needs the root key (rootKey in certbus.json, or CERTBUS_ROOT_KEY_FILE). Afterwards bus.pub has a new floor, below which no program starts: copy it to every machine.';

  static override examples = ['CERTBUS_ROOT_KEY_FILE=root.key <%= config.bin %> <%= command.id %>'];
  async run(): Promise<{ position: number; trust: string }> {
    const { flags } = await this.parse(BusRestored);
    const { knownCheckpoint, openLocalBus, writeFloor } = await import('@certbus/runtime');
    const { recordRestored } = await import('@certbus/manager');
    const { parseRootKey } = await import('@certbus/events');
    const environment = this.environment(flags);
    const { config } = environment;
    const root = await readParsedKey(environment, 'rootKey', { parse: parseRootKey, signal: this.signal });
    const { log, stream, trust, archive, close } = await openLocalBus(environment, { signal: this.signal });
    try {
      const known = await knownCheckpoint(environment);
      const options = { trust, root, known, archive, signal: this.signal };
      const { position, floor } = await recordRestored(log, stream, options);
      const written = writeFloor(config, floor);
      this.show(`position ${position} records that the bus was restored`);
      this.reportFloor(written);
      return { position, trust: written.trust };
    } finally {
      await close();
    }
  }
}
