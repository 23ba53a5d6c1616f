/** `certbus bus restored`. */
import { BaseCommand } from '../../base-command.ts';

export default class BusRestored extends BaseCommand {
  static override summary = 'Say on a bus that was put back to an earlier state that it goes on from there.';
  static override description =
    'After a restore from a backup, or an import of an older export: followers that have read further build their replicas anew, and serve what they have meanwhile. Needs the root key (rootKey in certbus.json, or CERTBUS_ROOT_KEY_FILE).';

  async run(): Promise<{ position: number }> {
    const { flags } = await this.parse(BusRestored);
    const { knownCheckpoint, openLocalBus } = await import('@certbus/runtime');
    const { recordRestored } = await import('@certbus/manager');
    const { parseRootKey } = await import('@certbus/events');
    const environment = this.environment(flags);
    const { config } = environment;
    const root = parseRootKey(config.rootKey());
    const { log, stream, trust, archive, close } = await openLocalBus(config);
    try {
      const known = await knownCheckpoint(environment);
      const { position } = await recordRestored(log, stream, { trust, root, known, archive, signal: this.signal });
      this.log(`position ${position} says that the bus was restored`);
      return { position };
    } finally {
      await close();
    }
  }
}
