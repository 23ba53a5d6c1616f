/** What Node warns of on the standard error of a command: nothing that CertBus knows of, and everything else. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findNode, requirePart, temporaryFolder } from 'certbus-services';
import { usePacked } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const part = requirePart('node-versions');
const temporary = temporaryFolder();
const project = join(temporary.path, 'project');
afterAll(() => temporary.remove());

describe.skipIf(part.skip)(part.title('on Node 22'), () => {
  beforeAll(() => usePacked('certbus', project));

  test('commands that read the bus write no warning, and one of another feature is shown', async () => {
    const node = await findNode('22.23.3');
    const bin = join(project, 'node_modules/certbus/bin');
    // Nothing of a test's own environment, such as NODE_ENV, for which the command line's library has warnings of its own.
    const env = { PATH: process.env['PATH'], HOME: project, CERTBUS_STATE_DIR: join(project, 'state') };
    const certbus = (...args: string[]) => run(node, [join(bin, 'run.js'), ...args], { cwd: project, env });
    await certbus('init', '--dir', '.', '--directory', 'https://127.0.0.1:9/directory', '--agree-tos');
    expect((await certbus('cert', 'ls')).stderr).toMatch(/^no managed certificates;.*\n$/);
    const script = `
      const { prepare } = await import(${JSON.stringify(join(bin, 'prepare.js'))});
      prepare('');
      process.emitWarning('Another is an experimental feature', 'ExperimentalWarning');`;
    expect((await run(node, ['--input-type=module', '-e', script])).stderr).toContain('ExperimentalWarning: Another');
  });
});
