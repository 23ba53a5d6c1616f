/** Tests of what `init` finds in its folder, and of what it leaves on the disk. */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chownSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRootKey } from '@certbus/events';
import { requirePart, temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, test } from 'vitest';
import { certbus } from './cli.builders.ts';

// No CA answers there: the account is registered with the first certificate.
const INIT = ['init', '--agree-tos', '--directory', 'https://127.0.0.1:9/directory'];
const STRANGER = 4713;
const strace = requirePart('strace');
const temporary = temporaryFolder();
afterAll(() => temporary.remove());

let sites = 0;
function newSite(): string {
  sites += 1;
  const site = join(temporary.path, String(sites));
  mkdirSync(site, { mode: 0o700 });
  return site;
}

test('unfinished files of an init that was killed are removed by the next, also once all is complete', async () => {
  const site = newSite();
  const leave = (file: string) =>
    writeFileSync(join(site, `${file}.${randomUUID()}.new`), createRootKey().slice(0, 20), { mode: 0o600 });
  const leftovers = () => readdirSync(site).filter((name) => name.endsWith('.new'));
  for (const file of ['root.key', 'manager.key', 'bus.pub', 'certbus.json']) leave(file);
  expect((await certbus(site, INIT)).status).toBe(0);
  expect(leftovers()).toEqual([]);
  leave('certbus.json');
  expect((await certbus(site, INIT)).stdout).toContain('nothing was changed');
  expect(leftovers()).toEqual([]);
});

test.skipIf(process.geteuid?.() !== 0).each(['root.key', 'backup.key', 'bus.pub'])(
  'a %s of another user is refused, and nothing is made',
  async (file) => {
    const site = newSite();
    writeFileSync(join(site, file), createRootKey(), { mode: 0o600 });
    chownSync(join(site, file), STRANGER, STRANGER);
    const { status, stderr } = await certbus(site, INIT);
    expect(status).not.toBe(0);
    expect(stderr).toContain(`belongs to user ${STRANGER}`);
    expect(readdirSync(site)).toEqual([file]);
  },
);

test.each(['certbus.json', 'loadbalancer.key'])(
  'a %s that is a link to nothing is refused, and nothing is made',
  async (file) => {
    const site = newSite();
    symlinkSync(join(site, 'away', file), join(site, file));
    const { status, stdout, stderr } = await certbus(site, INIT);
    expect(status).not.toBe(0);
    expect(stdout).not.toContain('made');
    expect(stderr).toContain('symbolic link');
    expect(readdirSync(site)).toEqual([file]);
  },
);

describe.skipIf(strace.skip)(strace.title('the disk'), () => {
  test('has the names of all keys, and of their folder, before the bus is begun', () => {
    const site = newSite();
    const trace = join(temporary.path, 'trace');
    const program = [process.execPath, '--conditions=certbus:source'];
    const bin = fileURLToPath(new URL('../bin/dev.js', import.meta.url));
    const calls = ['-qq', '-y', '-e', 'trace=fsync,openat,link,linkat', '-o', trace];
    const { status } = spawnSync('strace', [...calls, ...program, bin, ...INIT, '--dir', 'new'], {
      cwd: site,
      env: { PATH: process.env['PATH'], HOME: site, CERTBUS_STATE_DIR: join(site, 'state') },
    });
    expect(status).toBe(0);
    const lines = readFileSync(trace, 'utf8').split('\n');
    const folder = join(site, 'new');
    const isFlushOf = (path: string) => (line: string) => line.startsWith('fsync(') && line.includes(`<${path}>`);
    const lastKey = lines.findLastIndex((line) => line.startsWith('link') && line.includes('/bus.pub"'));
    const begun = lines.findIndex((line) => line.includes('bus.db"') && line.includes('O_CREAT'));
    const flushed = lines.findIndex((line, index) => index > lastKey && isFlushOf(folder)(line));
    expect(lastKey).toBeGreaterThan(0);
    expect(flushed).toBeGreaterThan(lastKey);
    expect(begun).toBeGreaterThan(flushed);
    expect(lines.findIndex(isFlushOf(site))).toBeGreaterThan(-1);
    const written = lines.findIndex((line) => line.startsWith('link') && line.includes('/certbus.json"'));
    expect(lines.findLastIndex(isFlushOf(folder))).toBeGreaterThan(written);
  });
});
