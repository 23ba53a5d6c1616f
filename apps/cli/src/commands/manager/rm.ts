/** `certbus manager rm`. */
import { Args } from '@oclif/core';
import { KEY_CHANGE_FLAGS, KeyChangeCommand, type KeyChangeResult } from '../../keys/key-change-command.ts';

export default class ManagerRm extends KeyChangeCommand {
  static override summary = 'Take a manager off the list: it can write nothing more.';
  static override description =
    'For a person who leaves, or a machine that is given up. What it has written stays; a key that was stolen is expelled instead ("certbus manager expel"). The configuration and the ACME account keys are sealed to those who are left in the same commit; the secrets and account keys that it could read are listed. Needs the root key; without it, --request.';
  static override examples = ['<%= config.bin %> <%= command.id %> old-laptop'];
  static override args = { name: Args.string({ required: true, description: 'its name on the bus' }) };
  static override flags = KEY_CHANGE_FLAGS;

  async run(): Promise<KeyChangeResult> {
    const { args, flags } = await this.parse(ManagerRm);
    return this.changeKeys(flags, async () => ({ kind: 'remove-manager', name: args.name }));
  }
}
