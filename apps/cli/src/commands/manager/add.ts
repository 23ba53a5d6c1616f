/** `certbus manager add`. */
import { Args, Flags } from '@oclif/core';
import { KEY_CHANGE_FLAGS, KeyChangeCommand, type KeyChangeResult } from '../../keys/key-change-command.ts';
import { publicHalvesOf } from '../../keys/public-halves.ts';

export default class ManagerAdd extends KeyChangeCommand {
  static override summary = 'Name another manager of this bus, by the public halves of its keys.';
  static override description =
    'The new machine makes its keys with "certbus keygen manager", and hands over the lines that begin with #: they are not secret. The configuration and the ACME account keys are sealed to it in the same commit. Needs the root key; without it, --request.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> second-site --key manager.pub',
    '<%= config.bin %> <%= command.id %> second-site --key manager.pub --request add.request',
  ];
  static override args = { name: Args.string({ required: true, description: 'its name on the bus' }) };
  static override flags = {
    key: Flags.string({
      helpValue: 'FILE',
      description: 'file with the lines "# signing key:" and "# recipient:" of its key file',
      exclusive: ['signing-key', 'recipient'],
    }),
    'signing-key': Flags.string({ description: 'its signing key, as in that line', dependsOn: ['recipient'] }),
    recipient: Flags.string({ description: 'its recipient, as in that line', dependsOn: ['signing-key'] }),
    ...KEY_CHANGE_FLAGS,
  };

  async run(): Promise<KeyChangeResult> {
    const { args, flags } = await this.parse(ManagerAdd);
    const { key: file, 'signing-key': signingKey, recipient } = flags;
    const halves = await publicHalvesOf({ file, signingKey, recipient });
    return this.changeKeys(flags, async () => ({ kind: 'add-manager', manager: { name: args.name, ...halves } }));
  }
}
