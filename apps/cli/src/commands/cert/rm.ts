/** `certbus cert rm`. */
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { confirm } from '../../prompt.ts';

export default class CertRm extends BaseCommand {
  static override summary = 'Remove a certificate: no load balancer serves it any more, and it is not renewed.';
  static override aliases = ['cert:remove'];
  static override args = { id: Args.string({ required: true, description: 'id of the managed certificate' }) };
  static override flags = { yes: Flags.boolean({ char: 'y', description: 'do not ask' }) };

  async run(): Promise<{ certificateId: string; names: readonly string[]; removed: boolean }> {
    const { args, flags } = await this.parse(CertRm);
    const { withManager } = await import('@certbus/runtime');
    return withManager(this.environment(flags), async (manager) => {
      await manager.refresh({ signal: this.signal });
      const { names } = manager.certificate(args.id);
      // Where nobody can be asked, the command itself is the answer.
      const removed =
        flags.yes ||
        this.jsonEnabled() ||
        (await confirm(`Stop serving ${names.join(', ')} on every load balancer?`, this.signal));
      if (removed) await manager.remove(args.id);
      this.log(removed ? `removed ${args.id} (${names.join(', ')})` : 'nothing was removed');
      return { certificateId: args.id, names, removed };
    });
  }
}
