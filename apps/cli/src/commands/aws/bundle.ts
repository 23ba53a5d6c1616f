/** `certbus aws bundle`. */
import { createHash } from 'node:crypto';
import { open, stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { CliError } from '../../errors.ts';

const ZIP = Buffer.from('PK');

/** Throws `CERTBUS_CLI_FILE_PROBLEM` for a file with something else in it than an archive: a slip of the name must not cost a key. */
async function checkReplaceable(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile() || found.size === 0) return;
  const begin = await open(file);
  try {
    const { buffer } = await begin.read(Buffer.alloc(ZIP.length), 0, ZIP.length, 0);
    if (buffer.equals(ZIP)) return;
  } finally {
    await begin.close();
  }
  const what = `${file} is there already, is not a ZIP archive, and stays as it is. Choose another name.`;
  throw new CliError('CERTBUS_CLI_FILE_PROBLEM', what);
}

/** Writes the archive whole, or not at all: half of one would be uploaded. A pipe or a device takes what it gets. */
async function writeArchive(file: string, bundle: Buffer): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found && !found.isFile()) return writeFile(file, bundle);
  const { replaceFile, writeNew } = await import('@certbus/runtime/local');
  if (!writeNew(file, bundle, { isSecret: false })) replaceFile(file, bundle);
}

export default class AwsBundle extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Write the code of the manager for AWS Lambda, as a ZIP archive.';
  static override description =
    'The function of the template that "certbus aws template" prints. Upload the file to a bucket, whose name and key the template asks for. Handler: index.handler. The same release of certbus writes the same bytes.';
  static override examples = ['<%= config.bin %> <%= command.id %> lambda.zip'];
  static override args = {
    file: Args.string({ description: 'the file to write', default: 'lambda.zip' }),
  };

  async run(): Promise<{ file: string; bytes: number; sha256: string }> {
    const { args } = await this.parse(AwsBundle);
    const { BUNDLE } = await import('@certbus/lambda/bundle');
    const { readBuiltFile } = await import('../../built-file.ts');
    const bundle = await readBuiltFile(BUNDLE);
    const file = resolve(args.file);
    await checkReplaceable(file);
    await writeArchive(file, bundle);
    // As Lambda shows it (CodeSha256).
    const sha256 = createHash('sha256').update(bundle).digest('base64');
    this.log(`${file} has ${bundle.length} bytes, SHA-256 ${sha256}`);
    return { file, bytes: bundle.length, sha256 };
  }
}
