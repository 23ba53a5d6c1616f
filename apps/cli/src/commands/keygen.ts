/** `certbus keygen`. */
import { createIdentity, createManagerKey } from '@certbus/events';
import { Args } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';

export default class Keygen extends BaseCommand {
  static override enableJsonFlag = false;
  static override summary = 'Make a key and write the text of its file to standard output.';
  static override examples = ['(umask 077; <%= config.bin %> <%= command.id %> loadbalancer > loadbalancer.key)'];
  static override args = {
    kind: Args.string({
      required: true,
      options: ['manager', 'loadbalancer', 'backup'],
      description: 'what the key is for',
    }),
  };

  async run(): Promise<void> {
    const { args } = await this.parse(Keygen);
    this.log((await (args.kind === 'manager' ? createManagerKey() : createIdentity())).trimEnd());
  }
}
