/** What commands colour: words on a terminal, and nothing where colours are turned off or nobody looks. */
import { requirePart, temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { afterAll, describe, expect, test } from 'vitest';
import { certbus } from '../cli.builders.ts';
import { startOnTerminal } from './transcript.builders.ts';

const ESCAPE = '\u001b[';
/** A finding and an error, in a folder without a configuration. */
const COMMAND = ['doctor', '--config', 'none.json'];
const temporary = temporaryFolder();
const site = { folder: temporary.path, known: new Map<string, string>() };
afterAll(() => temporary.remove());

async function shownOnTerminal(args: readonly string[], variables: Readonly<Record<string, string>>): Promise<string> {
  await using terminal = await startOnTerminal(site, 80, [...COMMAND, ...args], { variables });
  expect(await terminal.ended()).toBe(10);
  // Awaited here: the terminal is gone behind this function.
  return await terminal.screen({ withColours: true });
}

const tmux = requirePart('tmux');
describe.skipIf(tmux.skip)(tmux.title('colours'), () => {
  test('are on a terminal, and not with --no-color or NO_COLOR', { tags: 'full' }, async () => {
    expect(await shownOnTerminal([], {})).toContain(`${ESCAPE}31mfailed`);
    const off = [
      { args: ['--no-color'], variables: {} },
      { args: [], variables: { NO_COLOR: '1' } },
      { args: ['--no-color'], variables: { FORCE_COLOR: '1' } },
    ];
    for (const { args, variables } of sized({ small: off.slice(0, 1), full: off })) {
      const shown = await shownOnTerminal(args, variables);
      expect(shown).toMatch(/^failed +config/);
      expect(shown).not.toContain(ESCAPE);
    }
  });
});

test('nothing is coloured in a pipe', async () => {
  const { stdout, stderr } = await certbus(site.folder, COMMAND, { env: { NO_COLOR: '', TERM: 'xterm-256color' } });
  expect(stdout).toMatch(/^failed +config/);
  expect(stdout + stderr).not.toContain(ESCAPE);
});
