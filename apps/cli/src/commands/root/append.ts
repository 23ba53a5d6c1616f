/** `certbus root append`. */
import { Args, Flags } from '@oclif/core';
import { KeyChangeCommand, type KeyChangeResult } from '../../keys/key-change-command.ts';

export default class RootAppend extends KeyChangeCommand {
  static override summary = 'Write to the bus what the root has signed, where a manager is.';
  static override description =
    'The configuration and the ACME account keys are sealed again in the same commit, and bus.pub gets a new floor. What is on the bus already is not written again: where this is interrupted, run it again.';
  static override examples = ['<%= config.bin %> <%= command.id %> add.request.signed --request add.request'];
  static override args = {
    file: Args.string({ required: true, description: 'the file that "certbus root sign" wrote' }),
  };
  static override flags = {
    request: Flags.string({ helpValue: 'FILE', description: 'the request that it must be the answer to; default any' }),
  };

  async run(): Promise<KeyChangeResult> {
    const { args, flags } = await this.parse(RootAppend);
    const { findRootKey, withKeyHolder } = await import('@certbus/runtime');
    const { readExchanged } = await import('@certbus/runtime/local');
    const { describeReply, isReplyTo, ManagerError, parseReply, parseRequest } = await import('@certbus/manager');
    const environment = this.environment(flags);
    const reply = parseReply(readExchanged(args.file, 'What the root has signed'));
    const request = flags.request === undefined ? undefined : parseRequest(readExchanged(flags.request, 'The request'));
    if (request && !isReplyTo(reply, request)) {
      const what = `${args.file} is the answer to another request than ${flags.request}. Nothing was written.`;
      throw new ManagerError('CERTBUS_MANAGER_REQUEST_REFUSED', what);
    }
    const root = await findRootKey(environment, { signal: this.signal });
    return withKeyHolder(environment, { root, signal: this.signal }, async (holder) => {
      const signs = describeReply(reply, (await holder.rootState()).checkpoint);
      this.showSigned(signs);
      return this.appendReply(environment, { holder, reply, signs });
    });
  }
}
