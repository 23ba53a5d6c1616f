/**
 * What shells complete with the scripts that `certbus completion` prints, by asking this program about a real bus. Nothing here runs
 * that for PowerShell, which neither Debian nor npm nor PyPI has; docs/guides/windows-and-macos.md says so.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findShells, openTerminal, requirePart, temporaryFolder } from 'certbus-services';
import { bundledCommandLine, isFull } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { beginSite } from '../begin-site.builders.ts';
import { certbus } from '../cli.builders.ts';
import { putEnded } from '../site.builders.ts';

const ID = 'shopcertid1';
const NAMES = ['shop.test', '*.shop.test'];
const temporary = temporaryFolder();
const site = join(temporary.path, 'site');
const programs = join(temporary.path, 'programs');
/** A shell finds `certbus` here, as one that is installed. */
const env = {
  PATH: `${programs}:${process.env['PATH']}`,
  HOME: site,
  CERTBUS_STATE_DIR: join(site, 'state'),
  LC_ALL: 'C.UTF-8',
};

beforeAll(async () => {
  await beginSite(site);
  await putEnded(site, { certificateId: ID, names: NAMES, directory: 'https://ca.test/dir' });
  expect(await certbus(site, ['cert', 'ls'])).toMatchObject({ status: 0 });
  mkdirSync(programs);
  const bundle = await bundledCommandLine();
  const script = `#!/bin/sh\nexec '${process.execPath}' --conditions=certbus:source '${bundle}' "$@"\n`;
  writeFileSync(join(programs, 'certbus'), script);
  chmodSync(join(programs, 'certbus'), 0o755);
});
afterAll(() => temporary.remove());

test('a shell is given the ids and names of the certificates on the bus', async () => {
  const { stdout } = await certbus(site, ['complete', '--', 'cert', 'status', '']);
  expect(stdout.trim().split('\n')).toEqual(['*.shop.test', ID, 'shop.test'].sort());
});

const shells = requirePart('shells');
if (isFull)
  describe.skipIf(shells.skip)(shells.title('with its script'), () => {
    test('fish completes commands, ids and names, and no files next to them', { tags: 'full' }, async () => {
      const { fish, env: libraries } = await findShells();
      const completed = (line: string) => {
        const script = `certbus completion fish | source; complete --do-complete '${line}'`;
        const options = { cwd: site, env: { ...env, ...libraries }, encoding: 'utf8' } as const;
        return execFileSync(fish, ['--no-config', '-c', script], options).trim().split('\n').sort();
      };
      expect(completed('certbus cert sta')).toEqual(['status']);
      expect(completed('certbus cert status ')).toEqual([...NAMES, ID].sort());
      expect(completed('certbus cert status sh')).toEqual(['shop.test', ID].sort());
    });

    test('zsh completes commands, ids and names on a terminal', { tags: 'full' }, async () => {
      const { zsh, zshBegins, env: libraries } = await findShells();
      const begins = [
        zshBegins,
        'autoload -Uz compinit && compinit -D -u',
        'eval "$(certbus completion zsh)"',
        "PROMPT='ready> '",
      ];
      writeFileSync(join(site, '.zshrc'), `${begins.join('\n')}\n`);
      const options = { columns: 80, cwd: site, env: { ...env, ...libraries, ZDOTDIR: site } };
      await using terminal = await openTerminal([zsh, '-d', '-i'], options);
      await terminal.waitFor('ready>');
      await terminal.press('certbus cert sta');
      await terminal.press('Tab');
      await terminal.waitFor('certbus cert status');
      await terminal.press('shop.');
      await terminal.press('Tab');
      await terminal.waitFor('shop.test');
    });
  });
