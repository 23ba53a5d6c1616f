/** Tests what a process loads that asks a CA about renewals alone: a manager with nothing to do is most of the time one. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startStrictCa } from '../tests/strict-ca.builders.ts';

const PACKAGE = new URL('../..', import.meta.url);

test('what signs requests is loaded with the first signed one, not for the directory and renewal information', async () => {
  const { server, accountKey } = await startStrictCa();
  const options = JSON.stringify({ directory: server.directory, roots: server.roots, accountKey });
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    const { createAcme, readDirectory, registerAccount } = await import('@certbus/acme');
    const ca = createAcme(${options});
    const { signal } = new AbortController();
    const of = (text) => loaded.filter((url) => url.includes(text)).length;
    const { renewalInfo } = await readDirectory(ca, { signal });
    const before = [of('undici'), of('acme-client/'), of('@peculiar/')];
    await registerAccount(ca, { termsOfServiceAgreed: true, signal });
    console.log(JSON.stringify({ renewalInfo, before, after: of('acme-client/') }));
    await ca.close();`;
  const args = ['--conditions=certbus:source', '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: PACKAGE });
  const { renewalInfo, before, after } = JSON.parse(stdout);
  expect(renewalInfo).toContain(new URL(server.directory).origin);
  expect(before).toEqual([expect.any(Number), 0, 0]);
  expect(before[0]).toBeGreaterThan(0);
  expect(after).toBeGreaterThan(0);
});
