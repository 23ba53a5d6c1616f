/** `certbus recipient rm`. */
import { Args } from '@oclif/core';
import { KEY_CHANGE_FLAGS, KeyChangeCommand, type KeyChangeResult } from '../../keys/key-change-command.ts';

export default class RecipientRm extends KeyChangeCommand {
  static override summary = 'Seal no private key to a recipient any more.';
  static override description =
    'What is sealed from then on it does not open. What was sealed to it before it opens still: where its key was stolen, first give the other servers of its group a new identity ("certbus recipient add"), then replace those certificates with a campaign, and revoke what was replaced. Needs the root key; without it, --request.';
  static override examples = ['<%= config.bin %> <%= command.id %> edge'];
  static override args = { name: Args.string({ required: true, description: 'its name on the bus' }) };
  static override flags = KEY_CHANGE_FLAGS;

  async run(): Promise<KeyChangeResult> {
    const { args, flags } = await this.parse(RecipientRm);
    return this.changeKeys(flags, async () => ({ kind: 'remove-recipient', name: args.name }));
  }
}
