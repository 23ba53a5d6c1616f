/** `certbus recipient reseal`. */
import {
  checkResealedKeys,
  formatResealedKeys,
  type ManagerState,
  parseResealedKeys,
  resealKeys,
} from '@certbus/manager';
import { Args, Flags } from '@oclif/core';
import { SigningCommand } from '../../base-command.ts';
import { many } from '../../counts.ts';
import { CliError } from '../../errors.ts';

interface Resealed {
  readonly file: string;
  /** Keys that were sealed again, or are on the bus by this call. */
  readonly keys: number;
  /** Certificates whose key the identity does not open, 1,000 at most. */
  readonly unopened: readonly { readonly certificateId: string; readonly names: readonly string[] }[];
  /** Keys that were left out: on the bus already, or of certificates that are there no more. */
  readonly left: number;
}

const MAX_LISTED = 1_000;
const TELL_EVERY = 1_000;
const WHAT = 'The file of keys';

export default class RecipientReseal extends SigningCommand {
  static override summary =
    'Seal private keys again, to the recipients of now, on a machine with an identity that opens them.';
  static override description =
    'Recipients that were added open what is sealed from then on. For what was sealed before: run this with an identity that opens it, such as backup.key, on the machine where that is; no manager key is needed, nor a network with --from and --trust. Bring the file to a manager, and append it there with --append. No key in it is in the clear.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> keys --identity backup.key',
    '<%= config.bin %> <%= command.id %> keys --identity b.key --from export --trust bus.pub',
    '<%= config.bin %> <%= command.id %> keys --append',
  ];
  static override args = { file: Args.string({ required: true, description: 'the file of keys' }) };
  static override flags = {
    identity: Flags.string({ helpValue: 'FILE', description: 'the identity that opens them', exclusive: ['append'] }),
    from: Flags.string({
      helpValue: 'EXPORT',
      description: 'an export of the bus ("certbus bus export"); default the bus itself',
      dependsOn: ['identity'],
    }),
    trust: Flags.string({
      helpValue: 'FILE',
      description: 'bus.pub, for --from; default that of the local configuration',
      dependsOn: ['from'],
    }),
    append: Flags.boolean({ description: 'write the keys of the file to the bus, where a manager is' }),
  };

  async run(): Promise<Resealed> {
    const { args, flags } = await this.parse(RecipientReseal);
    if (flags.append) return this.#append(args.file, flags);
    const { identity: identityFile } = flags;
    if (identityFile === undefined)
      throw new CliError('CERTBUS_CLI_USAGE', 'Give --identity FILE to seal keys again, or --append to bring them.');
    const { readKeyFile, readOwnFile, trustOf } = await import('@certbus/runtime/local');
    const { withExportedPicture } = await import('@certbus/runtime');
    const { withPicture } = await import('@certbus/runtime/picture');
    const { parseIdentityFile } = await import('@certbus/events');
    const { identity } = await parseIdentityFile(readKeyFile(identityFile, 'The identity'));
    const { signal } = this;
    if (flags.from === undefined) {
      const environment = this.environment(flags);
      const { busId } = trustOf(environment.config);
      return withPicture(
        environment,
        async (picture) => {
          this.warnIfAway(picture);
          return this.#write(args.file, { state: picture.state, busId, identity });
        },
        { signal },
      );
    }
    const { trust: file } = flags;
    const trust = trustOf(
      file === undefined
        ? this.environment(flags).config
        : { trust: readOwnFile(file, 'The trust file'), trustFile: file },
    );
    return withExportedPicture(
      { file: flags.from, trust },
      ({ state }) => this.#write(args.file, { state, busId: trust.busId, identity }),
      { signal },
    );
  }

  async #write(
    file: string,
    { state, busId, identity }: { readonly state: ManagerState; readonly busId: string; readonly identity: string },
  ): Promise<Resealed> {
    const { writeExchangedLines } = await import('@certbus/runtime/local');
    const unopened: { readonly certificateId: string; readonly names: readonly string[] }[] = [];
    let [keys, missing] = [0, 0];
    const { signal } = this;
    const resealed = resealKeys(state, {
      identity,
      signal,
      onUnopened: ({ certificateId, names }) => {
        missing += 1;
        if (unopened.length < MAX_LISTED) unopened.push({ certificateId, names });
      },
    });
    const progress = (line: string) => this.progress(line);
    async function* counted() {
      for await (const key of resealed) {
        keys += 1;
        if (keys % TELL_EVERY === 0) progress(`${many(keys, 'key')} sealed again`);
        yield key;
      }
    }
    const { recipientsPosition } = state.bus;
    let hash = '';
    const onEnd = (sha256: string) => {
      hash = sha256;
    };
    await writeExchangedLines(file, formatResealedKeys({ busId, recipientsPosition }, counted(), { onEnd }), WHAT);
    this.show(`${file} has ${many(keys, 'key')}, SHA-256 ${hash}`);
    if (missing > 0) this.warn(`this identity does not open the keys of ${many(missing, 'certificate')}`);
    this.progress(`append it where a manager is: "certbus recipient reseal ${file} --append"`);
    return { file, keys, unopened, left: 0 };
  }

  async #append(
    file: string,
    flags: { readonly config?: string | undefined; readonly 'accept-stale'?: boolean | undefined },
  ): Promise<Resealed> {
    const { readExchangedLines } = await import('@certbus/runtime/local');
    const { signal } = this;
    const hash = await checkResealedKeys(readExchangedLines(file, WHAT));
    this.show(`${file} is whole, SHA-256 ${hash}: the same as where it was made, unless it was replaced on the way`);
    const { written, left } = await this.withManager(flags, async (manager) => {
      const lines = readExchangedLines(file, WHAT);
      try {
        const brought = await parseResealedKeys(lines);
        const onProgress = (keys: number) => this.progress(`${many(keys, 'key')} read from the file`);
        return await manager.appendResealedKeys(brought.keys, { for: brought.for, onProgress, signal });
      } finally {
        await lines.return(undefined);
      }
    });
    this.show(`${many(written, 'key')} written to the bus, ${left} there already or not needed any more`);
    return { file, keys: written, unopened: [], left };
  }
}
