/** `certbus root sign`. */
import { Args, Flags } from '@oclif/core';
import { BaseCommand, YES_FLAG } from '../../base-command.ts';
import { CliError } from '../../errors.ts';

interface Signed {
  /** The file that a manager appends. */
  readonly reply: string;
  /** All that was signed, in words. */
  readonly signs: readonly string[];
}

export default class RootSign extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Sign a request on the machine that holds the root key, after it is shown in words.';
  static override description =
    'This machine needs the root key and bus.pub, and neither the bus nor a network: it recognises by its own signatures what was in force before. A request of another bus, one that is older than bus.pub, and a second one for the same place are refused. Bring back what it writes, and append it there with "certbus root append".';
  static override examples = [
    '<%= config.bin %> <%= command.id %> add.request --root-key root.key --trust bus.pub',
    '<%= config.bin %> <%= command.id %> add.request --out /media/usb/add.signed',
  ];
  static override args = { request: Args.string({ required: true, description: 'the file that --request wrote' }) };
  static override flags = {
    out: Flags.string({ helpValue: 'FILE', description: 'what is signed; default REQUEST with .signed appended' }),
    'root-key': Flags.string({
      helpValue: 'FILE',
      description: 'the root key; default that of the local configuration',
    }),
    trust: Flags.string({ helpValue: 'FILE', description: 'bus.pub; default that of the local configuration' }),
    replace: Flags.boolean({
      description:
        'sign although another request was signed here for the same place, which anyone who has that file can still append',
    }),
    yes: YES_FLAG,
  };

  async run(): Promise<Signed> {
    const { args, flags } = await this.parse(RootSign);
    const out = flags.out ?? `${args.request}.signed`;
    if (out === args.request) throw new CliError('CERTBUS_CLI_USAGE', '--out must be another file than the request.');
    const { readExchanged, writeExchanged } = await import('@certbus/runtime/local');
    const { examineRequest, formatReply, parseRequest, signRequest } = await import('@certbus/manager');
    const { openRootMachine } = await import('../../keys/root-machine.ts');
    const { root, trust, journal } = await openRootMachine({
      environment: () => this.environment(flags),
      rootKeyFile: flags['root-key'],
      trustFile: flags.trust,
      signal: this.signal,
    });
    const request = parseRequest(readExchanged(args.request, 'The request'));
    const { rootSequence, lines } = await examineRequest(request, { trust, rootKey: root.publicKey });
    const reply = signRequest(request, { root, rootSequence });
    journal.check(reply, { replace: flags.replace });
    this.show(
      `Bus ${trust.busId}, change ${rootSequence + 1} of its keys. The root would sign this, and nothing else:`,
    );
    for (const line of lines) this.show(line);
    await this.agree('Sign all of this with the root key?', flags);
    // First: a file that left this machine without a record could be followed by another one for the same place.
    journal.keep(reply, { replace: flags.replace });
    writeExchanged(out, formatReply(reply), 'What was signed');
    this.progress(`${out} is written: append it with "certbus root append" where a manager is`);
    return { reply: out, signs: lines };
  }
}
