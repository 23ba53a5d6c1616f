import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createSite } from '../../agent.builders.ts';
import type { Agent } from '../../agent.ts';
import { settled } from '../tls.builders.ts';

const read = (...path: string[]) => readFileSync(join(...path), 'utf8');
const serialOf = (...path: string[]) => new X509Certificate(read(...path)).serialNumber;

const problemsOf = (agent: Agent) =>
  agent
    .status()
    .targets.flatMap(({ certificates }) => Object.values(certificates).flatMap(({ problem }) => problem?.code ?? []));

test('writes the files of certbot, swaps them at a renewal, and removes what was removed', async () => {
  const site = await createSite();
  const one = await site.bus.issue(['one.test', 'www.one.test']);
  const two = await site.bus.issue(['*.two.test', 'two.test']);
  const folder = join(site.folder, 'certs');
  const agent = await site.start([{ type: 'files', folder }]);
  await agent.started;
  const live = join(folder, 'current');
  expect(
    readdirSync(live)
      .filter((name) => !name.startsWith('.'))
      .sort(),
  ).toEqual(['_.two.test', 'one.test']);
  const leaf = new X509Certificate(read(live, 'one.test', 'fullchain.pem'));
  expect(leaf.serialNumber).toBe(one.serialNumber);
  expect(leaf.checkPrivateKey(createPrivateKey(read(live, 'one.test', 'privkey.pem')))).toBe(true);
  expect(read(live, 'one.test', 'fullchain.pem')).toBe(
    read(live, 'one.test', 'cert.pem') + read(live, 'one.test', 'chain.pem'),
  );
  const before = realpathSync(live);
  const untouched = statSync(join(live, '_.two.test', 'privkey.pem')).ino;
  const renewed = await site.bus.issue(['one.test', 'www.one.test']);
  await settled(() => expect(serialOf(live, 'one.test', 'cert.pem')).toBe(renewed.serialNumber));
  expect(realpathSync(live)).not.toBe(before);
  expect(statSync(join(live, '_.two.test', 'privkey.pem')).ino).toBe(untouched);
  await site.bus.remove(two.certificateId);
  await settled(() => expect(existsSync(join(live, '_.two.test'))).toBe(false));
  await settled(() => expect(readdirSync(join(folder, '.versions'))).toHaveLength(2));
});

test.each(['swap', 'replace'] as const)('nobody but owner and group can read a key, with %s', async (replaceBy) => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const folder = join(site.folder, 'certs');
  const agent = await site.start([{ type: 'files', folder, layout: 'combined', replaceBy, mode: '0640' }]);
  await agent.started;
  const live = replaceBy === 'swap' ? join(folder, 'current') : folder;
  expect(statSync(join(live, 'a.test.pem')).mode & 0o777).toBe(0o640);
  expect(statSync(folder).mode & 0o777).toBe(0o750);
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const stats = lstatSync(join(folder, name));
    if (stats.isDirectory()) expect(stats.mode & 0o007, name).toBe(0);
    if (stats.isFile() && read(folder, name).includes('PRIVATE KEY')) expect(stats.mode & 0o007, name).toBe(0);
  }
});

test('puts right what somebody else changed or removed, and leaves what it did not write', async () => {
  const site = await createSite();
  const { serialNumber } = await site.bus.issue(['a.test']);
  await site.bus.issue(['b.test']);
  const folder = join(site.folder, 'certs');
  mkdirSync(folder);
  writeFileSync(join(folder, 'own.pem'), 'mine');
  const target = { type: 'files', folder, layout: 'lego', replaceBy: 'replace' };
  const first = await site.start([target]);
  await first.started;
  await first.stop();
  writeFileSync(join(folder, 'a.test.crt'), 'broken');
  rmSync(join(folder, 'b.test.key'));
  writeFileSync(join(folder, 'a.test.key.11111111-1111-1111-1111-111111111111.new'), 'half a key');
  const second = await site.start([target]);
  await second.started;
  expect(serialOf(folder, 'a.test.crt')).toBe(serialNumber);
  expect(existsSync(join(folder, 'b.test.key'))).toBe(true);
  expect(read(folder, 'own.pem')).toBe('mine');
  expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
});

test('a key that does not open here keeps the certificate before it in place, and holds up no other', async () => {
  const site = await createSite();
  const stranger = await createSite();
  const { certificateId, serialNumber } = await site.bus.issue(['a.test']);
  const folder = join(site.folder, 'certs');
  const agent = await site.start([{ type: 'files', folder }]);
  await agent.started;
  const { certificateId: foreign } = await stranger.bus.issue(['a.test']);
  expect(foreign).not.toBe(certificateId);
  // A renewal that was sealed to somebody else.
  const page = await stranger.bus.bus.read((await import('@certbus/events/history')).BEGINNING);
  const obtained = page.commits
    .flatMap(({ events }) => events)
    .find(({ type }) => type === 'CertificateObtained')?.event;
  if (obtained?.type !== 'CertificateObtained') throw new Error('no certificate was obtained');
  await site.bus.append({ ...obtained, certificateId });
  const other = await site.bus.issue(['b.test']);
  const live = join(folder, 'current');
  await settled(() => expect(serialOf(live, 'b.test', 'cert.pem')).toBe(other.serialNumber));
  expect(serialOf(live, 'a.test', 'cert.pem')).toBe(serialNumber);
  await settled(() => expect(problemsOf(agent)).toEqual(['CERTBUS_AGENT_PAIR_REFUSED']));
});

test('runs a command after each change, without a shell, and again where it failed', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const folder = join(site.folder, 'certs');
  const script = join(site.folder, 'reload');
  const counted = join(site.folder, 'count');
  writeFileSync(script, `#!/bin/sh\necho "$CERTBUS_TARGET $1" >> ${counted}\n[ -e ${counted}.good ]\n`, {
    mode: 0o700,
  });
  const after = { command: [script, '$(touch x); *'] };
  const first = await site.start([{ type: 'files', folder, after, windowMs: 0 }]);
  await first.started;
  expect(first.status().targets[0]?.error?.code).toBe('CERTBUS_AGENT_COMMAND_FAILED');
  await first.stop();
  writeFileSync(`${counted}.good`, '');
  const second = await site.start([{ type: 'files', folder, after, windowMs: 0 }]);
  await second.started;
  expect(second.status().targets[0]?.error).toBeNull();
  await site.bus.issue(['b.test']);
  const standing = () => Object.keys(second.status().targets[0]?.certificates ?? {});
  await settled(() => expect(standing()).toHaveLength(2));
  await second.stop();
  const ran = read(counted);
  const third = await site.start([{ type: 'files', folder, after, windowMs: 0 }]);
  await third.started;
  await third.stop();
  const lines = ran.trim().split('\n');
  expect(new Set(lines)).toEqual(new Set(['files $(touch x); *']));
  expect(lines.length).toBeGreaterThanOrEqual(2);
  // What is in effect stays so over a restart of the agent.
  expect(read(counted)).toBe(ran);
});

test('two certificates of one name have files each, and a default has files of its own', async () => {
  const site = await createSite();
  const { certificateId } = await site.bus.issue(['a.test']);
  const second = await site.bus.issue(['a.test', 'b.test']);
  const folder = join(site.folder, 'certs');
  const agent = await site.start([{ type: 'files', folder, layout: 'combined', default: 'b.test' }]);
  await agent.started;
  const live = join(folder, 'current');
  const names = readdirSync(live)
    .filter((name) => !name.startsWith('.'))
    .sort();
  expect(names).toHaveLength(3);
  expect(names.filter((name) => name.startsWith('a.test'))).toHaveLength(2);
  expect(names.some((name) => [certificateId, second.certificateId].some((id) => name === `a.test-${id}.pem`))).toBe(
    true,
  );
  expect(serialOf(live, 'default.pem')).toBe(second.serialNumber);
});

test('writes PKCS#12 under a password that nobody else can read, and again under another one', async () => {
  const site = await createSite();
  const { serialNumber } = await site.bus.issue(['a.test']);
  const folder = join(site.folder, 'certs');
  const passwordFile = join(site.folder, 'password');
  const target = { type: 'files', folder, layout: 'pkcs12', passwordFile, test: { command: ['/bin/false'] } };
  const serialWith = (password: string) => {
    const args = ['pkcs12', '-in', join(folder, 'current', 'a.test.p12'), '-passin', `pass:${password}`, '-nokeys'];
    return new X509Certificate(execFileSync('openssl', args, { stdio: 'pipe' })).serialNumber;
  };
  writeFileSync(passwordFile, 'one\n', { mode: 0o644 });
  const unread = await site.start([target]);
  await unread.started;
  expect(unread.status().targets[0]?.error?.message).toContain('The password for PKCS#12 in ');
  await unread.stop();
  chmodSync(passwordFile, 0o600);
  for (const password of ['one', 'two']) {
    writeFileSync(passwordFile, `${password}\n`);
    const agent = await site.start([{ ...target, test: undefined }]);
    await agent.started;
    expect(serialWith(password)).toBe(serialNumber);
    expect(agent.status().targets[0]?.error).toBeNull();
    await agent.stop();
  }
  // What a test refuses is taken back byte by byte.
  const before = readFileSync(join(folder, 'current', 'a.test.p12'));
  await site.bus.issue(['a.test']);
  const refused = await site.start([{ ...target, windowMs: 0 }]);
  const code = () => refused.status().targets[0]?.error?.code;
  await settled(() => expect(code()).toBe('CERTBUS_AGENT_COMMAND_FAILED'));
  expect(readFileSync(join(folder, 'current', 'a.test.p12')).equals(before)).toBe(true);
  expect(statSync(join(folder, 'current', 'a.test.p12')).mode & 0o777).toBe(0o600);
  expect(() => serialWith('one')).toThrow();
});
