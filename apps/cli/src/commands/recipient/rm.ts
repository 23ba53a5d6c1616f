/** `certbus recipient rm`. */
import { Args } from '@oclif/core';
import { KEY_CHANGE_FLAGS, KeyChangeCommand, type KeyChangeResult } from '../../keys/key-change-command.ts';

export default class RecipientRm extends KeyChangeCommand {
  static override summary = 'Stop sealing private keys to a recipient.';
  static override description =
    'It cannot open what is sealed from then on, and can still open what was sealed to it before: where its key was stolen, first give the other servers of its group a new identity ("certbus recipient add"), then replace those certificates with a campaign, and revoke what was replaced. Needs the root key; without it, --request.';
  static override examples = ['<%= config.bin %> <%= command.id %> edge'];
  static override args = { name: Args.string({ required: true, description: 'its name on the bus' }) };
  static override flags = KEY_CHANGE_FLAGS;

  async run(): Promise<KeyChangeResult> {
    const { args, flags } = await this.parse(RecipientRm);
    return this.changeKeys(flags, async () => ({ kind: 'remove-recipient', name: args.name }));
  }
}
