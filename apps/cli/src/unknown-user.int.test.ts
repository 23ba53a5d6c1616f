/** The packed command line and the packed client as a container runs them: a user without a name, a home or a shell, on a read-only disk. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { reachable, requirePart, SHOW_REPOSITORY, temporaryFolder } from 'certbus-services';
import { usePacked } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const USER = 4713;
const part = requirePart('disks');
const temporary = temporaryFolder();
const project = join(temporary.path, 'project');
const site = join(temporary.path, 'site');
const NODE = reachable(process.execPath);
const CERTBUS = join(project, 'node_modules/certbus/bin/run.js');
afterAll(() => temporary.remove());

/** Everything is read-only but the site, which belongs to the user; nothing of our environment is handed down. */
async function asUnknownUser(script: string): Promise<{ readonly status: unknown; readonly output: string }> {
  const user = `setpriv --reuid ${USER} --regid ${USER} --clear-groups env -i`;
  const around = `mount --bind ${site} ${site} && ${SHOW_REPOSITORY} && mount -o remount,bind,ro / && cd ${site} && exec ${user} sh -c "$0" 2>&1`;
  try {
    const { stdout } = await run('unshare', ['--mount', 'sh', '-c', around, script]);
    return { status: 0, output: stdout };
  } catch (error) {
    const { code, stdout } = error as { readonly code: unknown; readonly stdout: string };
    return { status: code, output: stdout };
  }
}

const certbus = (line: string, environment = `CERTBUS_STATE_DIR=${site}/state`) =>
  asUnknownUser(`${environment} ${NODE} ${CERTBUS} ${line}`);

describe.skipIf(part.skip)(part.title('a user without a name, a home or a shell'), () => {
  beforeAll(async () => {
    chmodSync(temporary.path, 0o755);
    await usePacked('certbus', project);
    mkdirSync(site, { mode: 0o700 });
    await run('chown', [`${USER}:${USER}`, site]);
    // No CA answers there: the account is registered with the first certificate.
    const made = await certbus('init --dir . --directory https://127.0.0.1:9/directory --agree-tos');
    expect(made).toMatchObject({ status: 0, output: expect.stringContaining('made  certbus.json') });
  });

  test('runs the command line', async () => {
    expect(await certbus('--version')).toMatchObject({ status: 0, output: expect.stringMatching(/^certbus\//) });
    const shown = await certbus('conf display --json');
    expect(JSON.parse(shown.output)).toMatchObject({ status: 'ok', result: { position: 2 } });
    expect(await certbus('cert ls')).toMatchObject({ status: 0 });
  });

  test('without a folder for state, the error says what to set', async () => {
    const { status, output } = await certbus('cert ls', '');
    expect({ status, output }).toMatchObject({ status: 7, output: expect.stringContaining('Set CERTBUS_STATE_DIR') });
    // One line, whole, for a log.
    expect(output.trim().split('\n')).toHaveLength(1);
  });

  test('reads nothing of a home that is not its own, such as the one that "runuser" and "su" hand down', async () => {
    const home = join(temporary.path, 'home');
    mkdirSync(home, { mode: 0o700 });
    const shown = await certbus('cert ls', `HOME=${home} CERTBUS_STATE_DIR=${site}/state`);
    expect(shown).toEqual({ status: 0, output: expect.stringMatching(/^no managed certificates.*\n$/) });
  });

  test('is told which file cannot be written', async () => {
    const { status, output } = await certbus('bus export /backup.certbus');
    expect({ status, output }).toMatchObject({
      status: expect.any(Number),
      output: expect.stringContaining('/backup.certbus'),
    });
    expect(output).toMatch(/^Error: .*(read-only|may not).* Code: CERTBUS_\w+\./m);
  });

  test('runs the client, in a folder that it names', async () => {
    const program = join(project, 'client.mjs');
    writeFileSync(
      program,
      `import { connect } from '@certbus/client';
       const options = { bus: 'sqlite:./bus.db', identity: './loadbalancer.key', trust: './bus.pub' };
       const certbus = await connect({ ...options, stateDirectory: process.argv[2] });
       console.log(certbus.health().position);
       await certbus.close();`,
    );
    const client = (folder: string) => asUnknownUser(`${NODE} ${program} ${folder}`);
    expect(await client('./client-state')).toEqual({ status: 0, output: expect.stringMatching(/^[1-9]\n$/) });
    const homeless = await client('');
    expect(homeless.status).toBe(1);
    expect(homeless.output).toContain('Set CERTBUS_STATE_DIR');
  });
});
