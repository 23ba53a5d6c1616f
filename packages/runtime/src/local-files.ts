/** The files of this machine that a manager on it depends on, for `diagnose`. */
import type { LocalFiles } from '@certbus/manager';
import type { Environment } from './environment.ts';
import { programFiles } from './programs.ts';

/** Every file that the environment names, and its state directory. Throws `CERTBUS_CLI_CONFIG_INVALID` for programs. */
export function localFiles({ config, namedStateDirectory }: Environment): LocalFiles {
  const programs = programFiles(config.programs).map((path) => ({ what: 'The program', path, isSecret: false }));
  return { files: [...config.files, ...programs], stateDirectory: namedStateDirectory };
}
