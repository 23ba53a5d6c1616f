/** Tests of changes of keys by commands: in one step, and between a manager's machine and the one that holds the root key. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createIdentity, createManagerKey, parseIdentityFile, parseTrust } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginSite } from '../begin-site.builders.ts';
import { certbus, resultOf } from '../cli.builders.ts';
import { putCertificate } from '../site.builders.ts';

const temporary = temporaryFolder();
/** A manager's machine, from which the root key was taken away. */
const site = join(temporary.path, 'site');
/** The machine with the root key: nothing else is there, and it does not know where the bus is. */
const safe = join(temporary.path, 'safe');
const CONFIGURATION = JSON.stringify({
  version: 1,
  authorities: { ca: { directory: 'https://127.0.0.1:1/dir', termsOfServiceAgreed: true } },
  defaultAuthority: 'ca',
  dns: [{ zones: ['*'], provider: 'cloudflare', token: 'hunter2' }],
});
const codeIn = (stdout: string): unknown => JSON.parse(stdout).error?.code;
const floorOf = (folder: string) => parseTrust(readFileSync(join(folder, 'bus.pub'), 'utf8')).floor;
const at = (folder: string, line: string) => certbus(folder, line.split(' '));
const sign = (line: string) => at(safe, `root sign ${line} --root-key root.key --trust bus.pub`);

beforeAll(async () => {
  await beginSite(site);
  mkdirSync(safe);
  copyFileSync(join(site, 'bus.pub'), join(safe, 'bus.pub'));
  renameSync(join(site, 'root.key'), join(safe, 'root.key'));
  for (const name of ['bob', 'carol']) {
    const key = await createManagerKey();
    writeFileSync(join(site, `${name}.key`), key, { mode: 0o600 });
    writeFileSync(join(site, `${name}.pub`), key.replaceAll(/^[^#].*\n/gm, ''));
  }
  expect((await certbus(site, ['conf', 'update'], { input: CONFIGURATION })).status).toBe(0);
});
afterAll(() => temporary.remove());

test('a change goes to the machine with the root key as a file, and what is signed comes back as one', async () => {
  const without = await at(site, 'manager add bob --key bob.pub --yes --json');
  expect([without.status, codeIn(without.stdout)]).toEqual([3, 'CERTBUS_CLI_ROOT_KEY_MISSING']);
  for (const name of ['bob', 'carol']) {
    const asked = resultOf(await at(site, `manager add ${name} --key ${name}.pub --request ${name}.request --json`));
    expect(asked).toMatchObject({
      changed: false,
      request: `${name}.request`,
      signs: [
        expect.stringContaining(`ADD the manager "${name}"`),
        expect.anything(),
        expect.anything(),
        expect.anything(),
      ],
    });
    copyFileSync(join(site, `${name}.request`), join(safe, `${name}.request`));
  }
  expect((await at(site, 'manager add bob --key bob.pub --request bob.request --json')).stdout).toContain(
    'CERTBUS_CLI_FILE_EXISTS',
  );

  const unasked = await sign('bob.request');
  expect(unasked).toMatchObject({ status: 2, stdout: expect.stringContaining('ADD the manager "bob"') });
  expect(existsSync(join(safe, 'bob.request.signed'))).toBe(false);
  expect(await sign('bob.request --yes')).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('change 3 of its keys'),
  });
  // Two changes for one place: a thief could choose between them.
  const second = await sign('carol.request --yes --json');
  expect([second.status, codeIn(second.stdout)]).toEqual([3, 'CERTBUS_MANAGER_REQUEST_REFUSED']);
  expect((await sign('carol.request --yes --replace')).status).toBe(0);

  const other = await at(site, 'root append ../safe/bob.request.signed --request carol.request --json');
  expect(codeIn(other.stdout)).toBe('CERTBUS_MANAGER_REQUEST_REFUSED');
  const appended = resultOf(await at(site, 'root append ../safe/bob.request.signed --request bob.request --json'));
  expect(appended).toMatchObject({ changed: true, position: floorOf(site)?.position });
  expect(floorOf(site)).toMatchObject({ rootSequence: 3 });
  expect(resultOf(await at(site, 'root append ../safe/bob.request.signed --json'))).toMatchObject({ changed: false });
  const late = await at(site, 'root append ../safe/carol.request.signed --json');
  expect([late.status, codeIn(late.stdout)]).toEqual([8, 'CERTBUS_MANAGER_REQUEST_OUTDATED']);

  copyFileSync(join(site, 'bus.pub'), join(safe, 'bus.pub'));
  const replayed = await sign('bob.request --out again --yes --json');
  expect(codeIn(replayed.stdout)).toBe('CERTBUS_MANAGER_REQUEST_OUTDATED');
  const listed = await at(site, 'manager ls');
  expect(listed.stdout.split('\n').map((line) => line.split('\t').filter((_, index) => index % 3 === 0))).toEqual([
    ['alice', 'this machine'],
    ['bob', ''],
    [''],
  ]);
  const bob = await certbus(site, ['conf', 'display', '--show-secrets'], {
    env: { CERTBUS_MANAGER_KEY_FILE: 'bob.key' },
  });
  expect(bob.stdout).toContain('hunter2');
});

test('files that are something else than they seem are refused, and none of their content is repeated', async () => {
  const path = (name: string) => join(safe, name);
  symlinkSync('root.key', path('link'));
  execFileSync('mkfifo', [path('pipe')]);
  writeFileSync(path('huge'), '');
  truncateSync(path('huge'), 20_000_000);
  copyFileSync(path('root.key'), path('plain'));
  for (const [file, code] of [
    ['link', 'CERTBUS_CLI_FILE_UNREADABLE'],
    ['pipe', 'CERTBUS_CLI_FILE_UNREADABLE'],
    ['huge', 'CERTBUS_CLI_FILE_UNREADABLE'],
    ['plain', 'CERTBUS_MANAGER_REQUEST_MALFORMED'],
  ]) {
    const { stdout } = await sign(`${file} --yes --json`);
    expect(codeIn(stdout)).toBe(code);
    expect(stdout).not.toContain('CERTBUS-ROOT-KEY');
  }
  expect((await sign('bob.request --out bob.request --yes')).status).toBe(2);
});

test('with the root key at hand all of it is one step, and what those who left could read is listed', async () => {
  copyFileSync(join(safe, 'root.key'), join(site, 'root.key'));
  const removed = resultOf(await at(site, 'manager rm bob --yes --json'));
  expect(removed).toMatchObject({
    changed: true,
    signs: [expect.stringContaining('REMOVE the manager "bob"'), expect.anything(), expect.anything()],
    exposure: { secrets: [{ path: 'dns.0.token' }], accounts: [] },
  });
  expect(floorOf(site)).toMatchObject({ position: removed.position, rootSequence: 4 });
  for (const [line, status] of [
    ['manager rm alice --yes', 2],
    ['manager rm bob --yes', 4],
    ['manager add bob --key bob.pub', 2],
    ['manager expel alice --since 2 --yes', 2],
  ] as const)
    expect((await at(site, line)).status, line).toBe(status);
});

test('where the only manager key is lost, the root names another, which puts the configuration back', async () => {
  renameSync(join(site, 'manager.key'), join(site, 'lost.key'));
  const added = await at(site, 'manager add bob --key bob.pub --yes');
  expect(added).toMatchObject({ status: 0, stderr: expect.stringContaining('still sealed to those before') });
  renameSync(join(site, 'bob.key'), join(site, 'manager.key'));
  expect((await at(site, 'conf display')).status).toBe(3);
  expect((await certbus(site, ['conf', 'update'], { input: CONFIGURATION })).status).toBe(0);
  const expelled = resultOf(await at(site, 'manager expel alice --since 99 --yes --json'));
  expect(expelled).toMatchObject({ changed: true, expulsion: { secrets: [{ path: 'dns.0.token' }] } });
  // A run that ended in between is finished by the same command.
  const again = resultOf(await at(site, 'manager expel alice --since 99 --yes --json'));
  expect(again).toMatchObject({ changed: false, signs: [], expulsion: expelled.expulsion });
  const { managers } = resultOf(await at(site, 'manager ls --json'));
  expect(managers).toMatchObject([{ name: 'bob', isHere: true }]);
});

test('a recipient that comes later opens what is sealed again where a former identity is, without the bus', async () => {
  await putCertificate(site, 'certificate1');
  const identity = await createIdentity();
  writeFileSync(join(site, 'edge.key'), identity, { mode: 0o600 });
  const { recipient } = await parseIdentityFile(identity);
  writeFileSync(join(site, 'edge.pub'), identity.replaceAll(/^[^#].*\n/gm, ''));
  const edge = 'recipient add edge --key edge.pub';
  for (const [wrong, message] of [
    ['recipient add edge', 'Give the recipient, age1…, or --key FILE, not both.'],
    [`${edge} ${recipient}`, 'Give the recipient, age1…, or --key FILE, not both.'],
    ['recipient add edge --key bob.pub', 'bob.pub lacks the line "# public key: age1…"'],
  ] as const)
    expect(await at(site, wrong)).toMatchObject({ status: 2, stderr: expect.stringContaining(message) });
  expect((await at(site, `${edge} --request edge.request`)).status).toBe(0);
  expect((await sign('../site/edge.request --yes --out edge.signed')).status).toBe(0);
  expect((await at(site, 'root append ../safe/edge.signed')).status).toBe(0);
  copyFileSync(join(site, 'bus.pub'), join(safe, 'bus.pub'));
  renameSync(join(site, 'loadbalancer.key'), join(safe, 'loadbalancer.key'));
  expect((await at(site, 'bus export ../safe/export')).status).toBe(0);
  const resealed = resultOf(
    await at(safe, 'recipient reseal keys --identity loadbalancer.key --from export --trust bus.pub --json'),
  );
  expect(resealed).toMatchObject({ keys: 1, unopened: [] });
  writeFileSync(join(safe, 'torn'), readFileSync(join(safe, 'keys')).subarray(0, -5));
  expect(codeIn((await at(site, 'recipient reseal ../safe/torn --append --json')).stdout)).toBe(
    'CERTBUS_MANAGER_REQUEST_MALFORMED',
  );
  expect(resultOf(await at(site, 'recipient reseal ../safe/keys --append --json'))).toMatchObject({ keys: 1, left: 0 });
  expect(resultOf(await at(site, 'recipient reseal again --identity edge.key --json'))).toMatchObject({ keys: 1 });
  const listed = resultOf(await at(site, 'recipient ls --json'));
  expect(listed.recipients).toMatchObject([{ name: 'loadbalancers' }, { name: 'edge', recipient }]);
});
