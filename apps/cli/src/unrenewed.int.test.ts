/** Tests that the command line calls nothing in order that has ended and that another manager claims. */
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { certbus } from './cli.builders.ts';
import { putEnded } from './site.builders.ts';

const DIRECTORY = 'https://127.0.0.1:1/dir';
const folder = temporaryFolder();
const site = folder.path;
const until = new Date(Date.now() + 600_000);
const claim = `(killed.test) ended 2026-03-01T00:00:00.000Z: elsewhere process 7 claims it until ${until.toISOString()}`;

beforeAll(async () => {
  const dns = ['--dns-provider', 'challtestsrv', '--dns-url', 'http://127.0.0.1:1'];
  const { status } = await certbus(site, ['init', '--agree-tos', '--directory', DIRECTORY, ...dns]);
  expect(status).toBe(0);
  const ended = { certificateId: 'endedcert01', names: ['killed.test'], directory: DIRECTORY };
  await putEnded(site, { ...ended, claim: { holder: 'elsewhere process 7', until } });
});
afterAll(() => folder.remove());

test('cert renewable names the claim in the place of "nothing is due", and does not exit 0', async () => {
  const { status, stderr } = await certbus(site, ['cert', 'renewable']);
  expect({ status, stderr }).toMatchObject({ status: 10, stderr: expect.stringContaining(`endedcert01 ${claim}`) });
  expect(stderr).not.toContain('nothing is due');
});

test('cert renewable --renew-all is not a success while somebody else claims it', async () => {
  const { status, stdout } = await certbus(site, ['cert', 'renewable', '--renew-all']);
  expect(status).toBe(10);
  expect(stdout).toContain(`endedcert01: claimed-elsewhere, elsewhere process 7, until ${until.toISOString()}`);
  const { result: json, exitCode } = JSON.parse(
    (await certbus(site, ['cert', 'renewable', '--renew-all', '--json'])).stdout,
  );
  const held = { certificateId: 'endedcert01', holder: 'elsewhere process 7', until: until.toISOString() };
  expect(exitCode).toBe(10);
  expect(json.outcomes).toEqual([{ ...held, names: ['killed.test'], outcome: 'claimed-elsewhere', isEnding: true }]);
  expect(json.putOff).toMatchObject([{ ...held, reason: 'claimed', isEnding: true }]);
});

test('doctor names the claim', async () => {
  const { status, stdout } = await certbus(site, ['doctor', '--no-write-dns', '--domain', 'killed.test']);
  expect(status).toBe(10);
  expect(stdout).toMatch(
    /endedcert01 \(killed\.test\): it ended 2026-03-01\S+, and elsewhere process 7 claims it until/,
  );
});

test('cert mk prints the id of one that has ended and waits, but is not a success', async () => {
  const notBefore = new Date(Date.now() + 7 * 86_400_000);
  await putEnded(site, { certificateId: 'waitingcert', names: ['waits.test'], directory: DIRECTORY, notBefore });
  const { status, stdout, stderr } = await certbus(site, ['cert', 'mk', '--subdomain', 'waits.test']);
  expect([status, stdout]).toEqual([10, 'waitingcert\n']);
  expect(stderr).toContain(
    'waitingcert (waits.test) ended 2026-03-01T00:00:00.000Z: it failed, and is tried again from',
  );
  // What was recorded is later than any pause of a certificate lasts.
  const shown = (await certbus(site, ['cert', 'cat', 'waits.test'])).stdout;
  const [, next = ''] = /next attempt from (\S+)\)/.exec(shown) ?? [];
  expect(Date.parse(next)).toBeLessThan(notBefore.getTime());
  const { result } = JSON.parse((await certbus(site, ['cert', 'cat', 'waitingcert', '--json'])).stdout);
  expect(result.failure.notBefore).toBe(notBefore.toISOString());
});
