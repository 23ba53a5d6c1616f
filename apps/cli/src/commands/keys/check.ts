/** `certbus keys check`. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { ExaminedKey } from '@certbus/runtime';
import { type LocalConfig, trustOf } from '@certbus/runtime/local';
import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { CliError } from '../../errors.ts';

/** The key files of this machine: those of the configuration, and the backup that `certbus init` made next to it; others are kept elsewhere. */
function keyFilesOf({ files, programs }: LocalConfig): string[] {
  const backup = join(dirname(programs.file), 'backup.key');
  const named = files.flatMap(({ path, isSecret }) => (isSecret ? [path] : []));
  return [...new Set([...named, backup])].filter((path) => existsSync(path));
}

export default class KeysCheck extends BaseCommand {
  protected override readonly goesOnUnread = true;

  static override summary = 'Try each key file: sign or open something with it, and show what it can do.';
  static override description =
    'Without FILE it tries the keys of the local configuration and the backup.key next to it, those that are on this machine. Nothing is written to the bus, and no key is shown. Exits 10 where a key cannot do what it is for.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> /media/usb/backup.key',
  ];
  static override args = { file: Args.string({ multiple: true, description: 'a key file' }) };

  async run(): Promise<{ keys: ExaminedKey[] }> {
    const { args, flags } = await this.parse(KeysCheck);
    const { examineKeyFile } = await import('@certbus/runtime');
    const { withPicture } = await import('@certbus/runtime/picture');
    const environment = this.environment(flags);
    const { config } = environment;
    const files = args.file?.map((file) => resolve(file)) ?? keyFilesOf(config);
    const trust = trustOf(config);
    const keys = await withPicture(
      environment,
      async (picture) => {
        this.warnIfAway(picture);
        return Promise.all(files.map((file) => examineKeyFile(file, picture, trust)));
      },
      { signal: this.signal },
    );
    for (const { path, kind, can, problem } of keys) {
      this.show(`${problem === undefined ? 'ok     ' : 'problem'}  ${path} (${kind})`);
      for (const line of [...can, ...(problem === undefined ? [] : [`but: ${problem}`])]) this.show(`         ${line}`);
    }
    if (keys.length === 0) throw new CliError('CERTBUS_CLI_USAGE', 'There are no key files on this machine. Name one.');
    const wrong = keys.filter(({ problem }) => problem !== undefined).length;
    if (wrong === 0) return { keys };
    const message = `${wrong} of ${keys.length} key files cannot do what they are for.`;
    throw new CliError('CERTBUS_CLI_UNHEALTHY', message, { result: { keys } });
  }
}
