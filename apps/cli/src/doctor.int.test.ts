/** Tests of `certbus doctor`, with a CA and a DNS server that are set to be wrong. */
import { chmodSync, copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { openSqliteLog } from '@certbus/store/sqlite';
import { mountDisk, requirePart, startConnectProxy, temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';

describe('certbus doctor', () => {
  const folder = temporaryFolder();
  let dns: DnsServer;
  let ca: AcmeServer;
  const run = (...args: string[]) => certbus(folder.path, args);
  const diagnose = (...args: string[]) => diagnoseWith({}, ...args);
  const diagnoseWith = async (env: Readonly<Record<string, string>>, ...args: string[]) => {
    const command = ['doctor', '--json', '--resolver', dns.address, ...args];
    const { status, stdout } = await certbus(folder.path, command, { env });
    const { findings } = resultOf({ stdout }) as { findings: { check: string; status: string; detail: string }[] };
    return { status, findings, of: (check: string) => findings.filter((finding) => finding.check === check) };
  };

  beforeAll(async () => {
    dns = await startDnsServer();
    ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
    writeFileSync(join(folder.path, 'roots.pem'), ca.roots);
    const where = ['--directory', ca.directory, '--roots', 'roots.pem'];
    const provider = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url];
    const asked = ['--resolver', dns.address];
    expect((await run('init', '--agree-tos', ...where, ...provider, ...asked)).status).toBe(0);
    expect((await run('cert', 'mk', 'www.shop.test')).status).toBe(0);
  });
  afterAll(async () => {
    await ca[Symbol.asyncDispose]();
    await dns[Symbol.asyncDispose]();
    folder.remove();
  });

  test('finds everything good where it is, tries the DNS of what is managed, and leaves no value behind', async () => {
    const { status, findings, of } = await diagnose();
    expect(findings.filter((finding) => finding.status !== 'good')).toEqual([]);
    expect(status).toBe(0);
    expect(of('dns')).toMatchObject([
      { subject: 'shop.test', status: 'good' },
      { subject: 'shop.test', detail: expect.stringContaining('taken away') },
    ]);
    expect(of('account')).toMatchObject([{ detail: expect.stringContaining('https://127.0.0.1') }]);
    expect(of('caa')).toMatchObject([
      { detail: expect.stringContaining('IN CAA 0 issue "ca.test; accounturi=https://') },
    ]);
    // A policy or an alias may be for the one name that orders write to.
    expect(of('dns')[1]?.detail).toContain(' _acme-challenge.www.shop.test,');
    expect(dns.get('_acme-challenge.www.shop.test', 'TXT')).toEqual([]);
    const text = await run('doctor', '--no-write-dns', '--resolver', dns.address);
    expect(text.stdout).toMatch(/^good {5}bus/);
    expect(text.stdout).not.toContain('taken away');
    expect(of('renewal')).toMatchObject([{ status: 'good', detail: '1 managed, none fails' }]);
  });

  test('CAA records that let only others issue, or only another account, are told with the record to add', async () => {
    dns.set('shop.test', 'CAA', [{ flags: 0, tag: 'issue', value: 'other.test' }]);
    const barred = await diagnose('--no-write-dns');
    expect(barred.status).toBe(10);
    expect(barred.of('caa')).toMatchObject([{ status: 'failed', detail: expect.stringContaining('other.test') }]);
    const [, record] =
      /Add: shop\.test\. IN CAA 0 issue "(.+)"$/.exec(String(Object(barred.of('caa')[0]).advice)) ?? [];
    dns.set('shop.test', 'CAA', [{ flags: 0, tag: 'issue', value: record ?? '' }]);
    expect((await diagnose('--no-write-dns')).of('caa')).toMatchObject([{ status: 'good' }]);
    dns.set('shop.test', 'CAA', []);
  });

  test('the CAA record that it proposes allows every challenge in use, so that no renewal is stopped', async () => {
    const persistent = await run('cert', 'mk', '--challenge', 'dns-persist-01', '--subdomain', 'kept.shop.test');
    expect(persistent.status).toBe(6);
    expect((await diagnose('--no-write-dns')).of('caa')).toMatchObject([
      { detail: expect.stringContaining('validationmethods=dns-01,dns-persist-01"') },
    ]);
    const [id = ''] = (await run('cert', 'ls')).stdout.split('\t');
    expect((await run('cert', 'rm', id, '--yes')).status).toBe(0);
  });

  test.skipIf(process.platform === 'win32')('looks at owners and modes of the files of this machine', async () => {
    expect((await diagnose('--no-write-dns')).of('files')).toMatchObject([
      { status: 'good', subject: 'owners and modes' },
    ]);
    const [root, state] = [join(folder.path, 'root.key'), join(folder.path, 'state')];
    chmodSync(root, 0o644);
    chmodSync(state, 0o777);
    const { status, of } = await diagnose('--no-write-dns');
    expect(of('files')).toMatchObject([
      { status: 'failed', subject: root, advice: expect.stringContaining(`chmod 600 ${root}`) },
      { status: 'warning', subject: state, detail: expect.stringContaining('open to others') },
    ]);
    expect(status).toBe(10);
    chmodSync(root, 0o600);
    chmodSync(state, 0o700);
  });

  const disks = requirePart('disks');
  test.skipIf(disks.skip)(
    disks.title('reports a key on a read-only mount that others can read, and takes it'),
    async () => {
      const mount = mountDisk(join(folder.path, 'secrets'));
      onTestFinished(() => mount.remove());
      const key = join(mount.path, 'manager.key');
      copyFileSync(join(folder.path, 'manager.key'), key);
      chmodSync(key, 0o444);
      chmodSync(mount.path, 0o755);
      const env = { CERTBUS_MANAGER_KEY_FILE: key };
      const args = ['doctor', '--json', '--no-write-dns', '--resolver', dns.address];
      const open = await certbus(folder.path, args, { env });
      expect(open.status).toBe(10);
      expect(resultOf(open).findings).toContainEqual(
        expect.objectContaining({ check: 'key', status: 'failed', detail: expect.stringContaining('can be read by') }),
      );
      mount.remount('ro');
      const { status, stdout } = await certbus(folder.path, args, { env });
      expect(resultOf({ stdout }).findings).toContainEqual(
        expect.objectContaining({ check: 'files', status: 'warning', subject: key }),
      );
      expect(status).toBe(0);
    },
  );

  test('goes on after what stops every other command: no key, a bus that is away, no configuration', async () => {
    const examine = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
      const ended = await certbus(folder.path, ['doctor', '--no-write-dns', ...args], { env });
      return { ...ended, failed: ended.stdout.match(/^failed +\S+/gm)?.map((line) => line.replace(/failed +/, '')) };
    };
    const withoutKey = await examine([], { CERTBUS_MANAGER_KEY_FILE: 'none.key' });
    expect(withoutKey).toMatchObject({ status: 10, failed: ['key'] });
    expect(withoutKey.stdout).toMatch(/good +bus .*good +renewal +all: \d managed.*good +files/s);
    const balancer = await examine(['--load-balancer'], { CERTBUS_MANAGER_KEY_FILE: 'none.key' });
    expect(balancer).toMatchObject({ status: 0, failed: undefined });
    expect(balancer.stdout).toMatch(/good +key +identity: private keys are sealed to "loadbalancers"/);
    const stranger = await examine(['--load-balancer'], { CERTBUS_IDENTITY_FILE: 'manager.key' });
    expect(stranger).toMatchObject({ status: 10, failed: ['key'] });
    renameSync(join(folder.path, 'bus.db'), join(folder.path, 'away.db'));
    const away = await examine(['--quiet']);
    const unread = await examine([], { CERTBUS_STATE_DIR: join(folder.path, 'another-state') });
    const balancerAway = await examine(['--load-balancer']);
    renameSync(join(folder.path, 'away.db'), join(folder.path, 'bus.db'));
    expect(away).toMatchObject({ status: 10, failed: ['bus'] });
    expect(away.stdout).not.toContain('good');
    expect(away.stdout).toMatch(/it cannot be read, so what follows is as of position \d+: .*does not exist/);
    expect(unread).toMatchObject({ status: 10, failed: ['bus', 'config'] });
    expect(balancerAway).toMatchObject({ status: 10, failed: ['bus'] });
    expect(await examine(['--config', 'none.json'])).toMatchObject({ status: 10, failed: ['config'] });
    expect((await examine(['--quiet'])).stdout).toBe('');
  });

  test('a commit that somebody forged is a finding, and what was read before it and the CA are looked at all the same', async () => {
    copyFileSync(join(folder.path, 'bus.db'), join(folder.path, 'forged.db'));
    const log = await openSqliteLog(join(folder.path, 'forged.db'));
    const { commits } = await log.read('certbus', 0, { limit: 1_000 });
    await log.append('certbus', commits.length, Buffer.from('forged'));
    await log.close();
    const env = { CERTBUS_BUS: 'sqlite:./forged.db#certbus' };
    const { status, findings, of } = await diagnoseWith(env, '--no-write-dns');
    expect(status).toBe(10);
    expect(findings.filter((finding) => finding.status !== 'good')).toMatchObject([
      {
        check: 'bus',
        detail: expect.stringMatching(
          new RegExp(`what follows is as of position ${commits.length}: Commit ${commits.length + 1} refused: `),
        ),
        advice: expect.stringContaining('"certbus bus verify"'),
      },
    ]);
    for (const check of ['renewal', 'files', 'directory', 'clock', 'account', 'caa', 'dns'])
      expect(of(check), check).toMatchObject([{ status: 'good' }]);
  });

  test('names the proxy that a CA is reached through; a variable that is wrong is a finding, after which it goes on', async () => {
    const proxy = await startConnectProxy();
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const { host } = new URL(ca.directory);
    const url = proxy.url.replace('//', '//me:s3cret@');
    const through = await diagnoseWith({ HTTPS_PROXY: url }, '--no-write-dns');
    expect(through.status).toBe(0);
    expect(through.of('proxy')).toMatchObject([
      { subject: 'ca', status: 'good', detail: `${ca.directory} is reached through the proxy ${new URL(url).host}` },
    ]);
    expect(new Set(proxy.tunnels)).toEqual(new Set([host]));
    const around = await diagnoseWith({ HTTPS_PROXY: url, NO_PROXY: '127.0.0.1' }, '--no-write-dns');
    expect(around.of('proxy')).toEqual([]);

    const wrong = await diagnoseWith({ HTTPS_PROXY: 'ftp://me:s3cret@proxy.test' }, '--no-write-dns');
    expect(wrong.status).toBe(10);
    expect(wrong.of('proxy')).toMatchObject([
      { status: 'failed', detail: expect.stringContaining('HTTPS_PROXY'), advice: 'Correct the variable.' },
    ]);
    expect(wrong.of('dns')).toMatchObject([{ status: 'good' }]);
    expect(JSON.stringify([through.findings, wrong.findings])).not.toContain('s3cret');
  });

  test("asks the configuration's resolver where no flag names one", async () => {
    const before = dns.queries.length;
    expect(await run('doctor', '--no-write-dns')).toMatchObject({ status: 0 });
    expect(dns.queries.slice(before).map(({ name, type }) => `${name} ${type}`)).toContain('shop.test CAA');
  });

  test('a certificate that cannot be renewed as things are is told before its time', async () => {
    const { position: _, ...stored } = JSON.parse((await run('conf', 'display')).stdout);
    const configure = async (change: (json: { dns: { zones: string[] }[]; authorities: { ca: object } }) => void) => {
      const json = structuredClone(stored);
      change(json);
      expect((await certbus(folder.path, ['conf', 'update'], { input: JSON.stringify(json) })).status).toBe(0);
    };
    await configure(({ dns: [settings] }) => Object.assign(settings ?? {}, { zones: ['other.test'] }));
    const uncovered = await diagnose('--no-write-dns');
    expect(uncovered.status).toBe(10);
    expect(uncovered.of('renewal')).toMatchObject([{ status: 'failed', detail: expect.stringContaining('shop.test') }]);
    await configure(({ authorities }) => Object.assign(authorities.ca, { directory: 'https://127.0.0.1:1/dir' }));
    const moved = await diagnose('--no-write-dns');
    expect(moved.of('renewal')).toMatchObject([{ detail: expect.stringContaining(ca.directory) }]);
    expect(moved.of('caa')).toEqual([]);
    await configure(() => {});
    expect((await diagnose('--no-write-dns')).status).toBe(0);
  });

  test('an account that was deactivated is told, with what to do', async () => {
    expect((await run('account', 'deactivate', 'ca', '--yes')).status).toBe(0);
    const { status, findings } = await diagnose('--no-write-dns');
    expect(status).toBe(10);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'account', status: 'failed', detail: 'it was deactivated' }),
    );
    expect((await run('cert', 'mk', 'other.test')).stderr).toContain('certbus account register NAME');
    expect((await run('account', 'register', 'ca')).status).toBe(0);
    expect((await run('cert', 'mk', 'other.test')).status).toBe(0);
    expect((await diagnose('--no-write-dns')).status).toBe(0);
  });

  test('a resolver or domain that is none is refused', async () => {
    for (const args of [
      ['--resolver', 'nonsense'],
      ['--domain', 'a b'],
    ])
      expect(await run('doctor', ...args)).toMatchObject({ status: 2, stdout: '' });
  });

  test('a domain that does not exist is told', async () => {
    dns.fail('gone.test', 'NXDOMAIN');
    const { status, of } = await diagnose('--no-write-dns', '--domain', 'gone.test');
    expect(status).toBe(10);
    expect(of('dns')).toMatchObject([{ status: 'failed', detail: expect.stringContaining('NXDOMAIN') }]);
  });

  test('a clock that is off, DNS that does not answer and an account that is gone are told with what to do', async () => {
    ca.clock.advance(3_600_000);
    const behind = await diagnose('--no-write-dns');
    expect(behind.status).toBe(10);
    expect(behind.of('clock')).toMatchObject([
      { status: 'failed', detail: expect.stringMatching(/3[56]\d\d s behind/) },
    ]);
    await dns[Symbol.asyncDispose]();
    const broken = await run('doctor', '--domain', 'shop.test', '--resolver', dns.address);
    expect(broken).toMatchObject({ status: 10, stderr: expect.stringMatching(/\d of \d checks failed/) });
    expect(broken.stdout).toMatch(/failed {3}dns {8}shop\.test: .*sandbox DNS server .* did not take set-txt/);
    expect(broken.stdout).toContain('credentials, zone, delegation');
  });

  test('a CA that is down is told, and the rest is looked at all the same', async () => {
    await ca[Symbol.asyncDispose]();
    const { status, of } = await diagnose('--no-write-dns');
    expect(status).toBe(10);
    expect(of('bus')).toMatchObject([{ status: 'good' }]);
    expect(of('directory')).toMatchObject([{ status: 'failed' }]);
  });
});
