/** `certbus cert rm`. */
import { Args } from '@oclif/core';
import { SigningCommand, YES_FLAG } from '../../base-command.ts';
import { certificateOf } from '../../certificate-argument.ts';

export default class CertRm extends SigningCommand {
  static override summary = 'Remove a certificate: no load balancer serves it any more, and it is not renewed.';
  static override examples = ['<%= config.bin %> <%= command.id %> example.com'];
  static override aliases = ['cert:remove'];
  static override args = {
    id: Args.string({ required: true, description: 'id of the managed certificate, or a name that only it has' }),
  };
  static override flags = { yes: YES_FLAG };

  async run(): Promise<{ certificateId: string; names: readonly string[] }> {
    const { args, flags } = await this.parse(CertRm);
    return this.withManager(flags, async (manager) => {
      await manager.refresh({ signal: this.signal });
      const { certificateId: id, names } = await certificateOf(manager, args.id);
      await this.agree(`Stop serving ${names.join(', ')} on every load balancer?`, flags);
      await manager.remove(id, { signal: this.signal });
      this.show(`removed ${id} (${names.join(', ')})`);
      return { certificateId: id, names };
    });
  }
}
