/** systemd's own judge of units. systemd need not run for it. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { libraryPath, unpackDebianPrograms } from './debian-packages.ts';
import { installOnce } from './install.ts';
import { cacheFolder, findProgram, hasProgram } from './machine.ts';

const FOLDER = 'systemd-debian';

/** Why this machine cannot judge units; `undefined` when it can. */
export function missingSystemd(): string | undefined {
  if (hasProgram('systemd-analyze') || existsSync(cacheFolder(FOLDER)) || hasProgram('apt-get')) return undefined;
  return "systemd is unpacked from Debian's package, which needs apt-get";
}

/** Says what systemd finds wrong with these files of units, line by line; programs that are not on this machine are left out. */
export async function judgeUnits(files: readonly string[]): Promise<readonly string[]> {
  const installed = findProgram('systemd-analyze');
  const folder = installed
    ? ''
    : await installOnce(FOLDER, "Debian's systemd", (to) => unpackDebianPrograms(['systemd'], to));
  const { LD_LIBRARY_PATH: libraries } = libraryPath(folder);
  const own = installed ? {} : { LD_LIBRARY_PATH: `${libraries}:${join(folder, 'usr/lib/x86_64-linux-gnu/systemd')}` };
  const { error, stderr } = spawnSync(
    installed ?? join(folder, 'usr/bin/systemd-analyze'),
    ['verify', '--man=no', ...files],
    { env: { ...process.env, ...own, SYSTEMD_COLORS: '0' }, encoding: 'utf8' },
  );
  if (error) throw error;
  return stderr.split('\n').filter((line) => line !== '' && !/ is not executable: /.test(line));
}
