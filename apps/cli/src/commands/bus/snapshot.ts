/** `certbus bus snapshot`. */
import { SigningCommand } from '../../base-command.ts';

export default class BusSnapshot extends SigningCommand {
  static override summary = 'Put a snapshot of the whole state into the archive.';
  static override description =
    'A load balancer that starts for the first time reads it instead of the log. Run it daily, or after many changes.';

  static override examples = ['CERTBUS_ARCHIVE=s3://my-bucket/certbus <%= config.bin %> <%= command.id %>'];
  async run(): Promise<{ position: number; place: string }> {
    const { flags } = await this.parse(BusSnapshot);
    const { position, place } = await this.withManager(flags, (manager) => manager.snapshot({ signal: this.signal }));
    this.show(`a snapshot at position ${position} is at ${place}`);
    return { position, place };
  }
}
