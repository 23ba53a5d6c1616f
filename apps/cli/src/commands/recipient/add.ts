/** `certbus recipient add`. */
import { Args, Flags } from '@oclif/core';
import { KEY_CHANGE_FLAGS, KeyChangeCommand, type KeyChangeResult } from '../../keys/key-change-command.ts';
import { recipientOf } from '../../keys/public-halves.ts';

export default class RecipientAdd extends KeyChangeCommand {
  static override summary = 'Seal private keys to another recipient as well, from now on.';
  static override description =
    'A recipient is an age public key: a group of load balancers, or an offline backup ("certbus keygen loadbalancer", or age-keygen; its file has it after "# public key:", which --key reads: nothing else of that file is looked at). The ACME account keys are sealed to one named "backup", too. It can open what was sealed before after "certbus recipient reseal", or once that was renewed. Needs the root key; without it, --request.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> edge age1…',
    '<%= config.bin %> <%= command.id %> edge --key edge.pub --request add.request',
  ];
  static override args = {
    name: Args.string({ required: true, description: 'its name on the bus' }),
    recipient: Args.string({ description: 'age recipient, age1…; without it, --key' }),
  };
  static override flags = {
    key: Flags.string({ helpValue: 'FILE', description: 'file with the line "# public key: age1…" of its key file' }),
    ...KEY_CHANGE_FLAGS,
  };

  async run(): Promise<KeyChangeResult> {
    const { args, flags } = await this.parse(RecipientAdd);
    const { name } = args;
    const recipient = recipientOf({ file: flags.key, recipient: args.recipient });
    return this.changeKeys(flags, async () => ({ kind: 'add-recipient', recipient: { name, recipient } }));
  }
}
