/** `certbus cert export`. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { createOpener, parseIdentityFile } from '@certbus/events';
import { readKeyFile, readParsedKey } from '@certbus/runtime/local';
import { Args, Flags, type Interfaces } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { certificateOf } from '../../certificate-argument.ts';
import { chainOf } from '../../certificates/chain.ts';
import { AT_FLAG } from '../../certificates/flags.ts';
import { CliError } from '../../errors.ts';
import { EXPORT_FORMATS, type Exported, type ExportFile } from '../../exporting/files.ts';

/** What was exported; never a key. */
interface ExportResult {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly notAfter: string;
  readonly format: (typeof EXPORT_FORMATS)[number];
  readonly files: readonly string[];
}

type ExportFlags = Interfaces.InferredFlags<typeof CertExport.flags>;

export default class CertExport extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Export a certificate with its private key, as PEM or PKCS#12.';
  static override description =
    'For the holder of an identity that the key is sealed to: a load balancer, or the backup. Needs no manager key. The files have mode 0600, and a file that is there stays unless --force says otherwise. What is exported is not renewed where it is copied to: certbus-agent keeps files up to date.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> example.com --identity backup.key --out example.pem',
    '<%= config.bin %> <%= command.id %> example.com --out fullchain.pem --key-out privkey.pem',
    '<%= config.bin %> <%= command.id %> a.example --format pkcs12 --out a.p12 --password-file pw',
  ];
  static override args = {
    id: Args.string({ required: true, description: 'id of the managed certificate, or a name that only it has' }),
  };
  static override flags = {
    identity: Flags.string({
      description: 'key file that opens the private key; default the identity of the configuration',
    }),
    out: Flags.string({ required: true, description: 'the file to write' }),
    'key-out': Flags.string({
      description: 'with PEM: write the key to this file, and only the chain to the other one',
    }),
    format: Flags.option({ options: EXPORT_FORMATS, default: 'pem' as const, description: 'what to write' })(),
    'password-file': Flags.string({ description: 'file whose first line is the password of the PKCS#12 file' }),
    force: Flags.boolean({ description: 'replace files that are there' }),
    at: AT_FLAG,
  };

  async run(): Promise<ExportResult> {
    const { args, flags } = await this.parse(CertExport);
    if (flags.format === 'pkcs12' && flags['key-out'] !== undefined)
      throw new CliError('CERTBUS_CLI_USAGE', 'A PKCS#12 file holds the key as well: leave --key-out out.');
    if (flags['key-out'] !== undefined && resolve(flags['key-out']) === resolve(flags.out))
      throw new CliError(
        'CERTBUS_CLI_USAGE',
        'Chain and key cannot be the same file: leave --key-out out to have both in one.',
      );
    const { withPicture } = await import('@certbus/runtime/picture');
    const environment = this.environment(flags);
    const { identity } = flags.identity
      ? await parseIdentityFile(readKeyFile(flags.identity, 'The identity'))
      : await readParsedKey(environment, 'identity', { parse: parseIdentityFile, signal: this.signal });
    const options = { at: flags.at, signal: this.signal };
    const found = await withPicture(
      environment,
      async (picture) => {
        this.warnIfAway(picture);
        const certificate = await certificateOf(picture, args.id);
        return { certificate, chain: chainOf(picture.state, certificate) };
      },
      options,
    );
    const { certificateId, names, current } = found.certificate;
    const [leaf] = found.chain;
    if (!current || !leaf)
      throw new CliError('CERTBUS_CLI_USAGE', `Certificate ${args.id} was not issued yet: there is nothing to export.`);
    const pem = await createOpener(identity).openKeyOf(current);
    const chain = found.chain.map((der) => new X509Certificate(der));
    const files = await this.#filesOf({ chain, key: createPrivateKey(pem), name: names[0] ?? certificateId }, flags);
    const { writeExport } = await import('../../exporting/files.ts');
    writeExport(files, flags);
    if (Date.parse(current.notAfter) <= Date.now()) this.warn(`${certificateId} ended ${current.notAfter}`);
    const paths = files.map(({ path }) => path);
    this.show(`wrote ${paths.join(' and ')}: ${names.join(', ')}, valid until ${current.notAfter}`);
    return { certificateId, names, notAfter: current.notAfter, format: flags.format, files: paths };
  }

  async #filesOf(exported: Exported, flags: ExportFlags): Promise<readonly ExportFile[]> {
    const { pemFiles, pkcs12File } = await import('../../exporting/files.ts');
    const { out } = flags;
    if (flags.format === 'pem') return pemFiles(exported, { out, keyOut: flags['key-out'] });
    return [await pkcs12File(exported, out, await this.#password(flags))];
  }

  async #password(flags: ExportFlags): Promise<string> {
    const { readPasswordFile } = await import('../../password-file.ts');
    const file = flags['password-file'];
    if (file !== undefined) return readPasswordFile(file);
    const { askSecret, canAsk } = await import('../../prompt.ts');
    if (!this.jsonEnabled() && canAsk()) return askSecret('Password of the PKCS#12 file:', this.signal);
    throw new CliError(
      'CERTBUS_CLI_USAGE',
      'A PKCS#12 file needs a password: name a file with it, --password-file FILE.',
    );
  }
}
