import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());

const run = (args: readonly string[], input = '') => certbus(temporary.path, args, { input });
const display = async (...flags: string[]) => JSON.parse((await run(['conf', 'display', ...flags])).stdout);
const update = (json: unknown, ...flags: string[]) => run(['conf', 'update', ...flags], JSON.stringify(json));

/** Settings of a DNS server that has an API key. */
const server = (name: string, apiKey: string) => ({
  zones: [`${name}.test`],
  provider: 'powerdns',
  url: `https://ns.${name}.test`,
  apiKey,
});

describe('the configuration on the bus', () => {
  beforeAll(async () => {
    const dns = ['--dns-provider', 'challtestsrv', '--dns-url', 'http://127.0.0.1:1'];
    const made = await run(['init', '--agree-tos', '--directory', 'https://127.0.0.1:1/dir', ...dns]);
    expect(made).toMatchObject({ status: 0 });
  });

  test('of two people who display it and update it, the second is refused, and nothing is lost', async () => {
    const [one, other] = await Promise.all([display(), display()]);
    expect(one.position).toEqual(expect.any(Number));
    const first = await update({ ...one, giveUpAfterDays: 7 });
    expect(first).toMatchObject({ status: 0, stdout: expect.stringMatching(/^added: giveUpAfterDays$/m) });
    const second = await update({ ...other, parallelOrders: 3 });
    expect(second).toMatchObject({ status: 8, stdout: '', stderr: expect.stringContaining('certbus conf display') });
    const after = await display();
    expect(after).toEqual({ ...one, giveUpAfterDays: 7, position: expect.any(Number) });
    expect(after.position).toBeGreaterThan(one.position);
  });

  test('of two updates at once, one is refused', async () => {
    const shown = await display();
    const ended = await Promise.all([4, 5].map((parallelOrders) => update({ ...shown, parallelOrders })));
    expect(ended.map(({ status }) => status).sort()).toEqual([0, 8]);
    const winner = ended[0]?.status === 0 ? 4 : 5;
    expect(await display()).toMatchObject({ giveUpAfterDays: 7, parallelOrders: winner });
  });

  test.skipIf(process.platform === 'win32')(
    'a local file that can be read once, as of "<(…)" of a shell, will do',
    async () => {
      const local = JSON.parse(readFileSync(join(temporary.path, 'certbus.json'), 'utf8'));
      const files = ['trust', 'rootKey', 'managerKey', 'identity'].map((name) => [
        name,
        join(temporary.path, local[name]),
      ]);
      const bus = local.bus.replace('./', `${temporary.path}/`);
      writeFileSync(join(temporary.path, 'full.json'), JSON.stringify({ ...local, ...Object.fromEntries(files), bus }));
      writeFileSync(join(temporary.path, 'document.json'), JSON.stringify(await display()));
      const program = fileURLToPath(new URL('../bin/dev.js', import.meta.url));
      const words = [
        process.execPath,
        '--conditions=certbus:source',
        program,
        'conf',
        'update',
        '--config',
        '/dev/fd/3',
      ];
      const env = { PATH: process.env['PATH'] ?? '', CERTBUS_STATE_DIR: join(temporary.path, 'state') };
      const ended = promisify(execFile)('sh', ['-c', 'cat full.json | "$@" 3<&0 <document.json', 'sh', ...words], {
        ...{ cwd: temporary.path, env },
      });
      expect((await ended).stdout).toMatch(/^the configuration is on the bus at position \d+$/m);
    },
  );

  test('a position that is not the one of --expect is a mistake, whatever is on the bus', async () => {
    const shown = await display();
    const ended = await update(shown, '--expect', '99');
    expect(ended).toMatchObject({ status: 2, stderr: expect.stringContaining(`"position" ${shown.position}`) });
    expect(await display()).toEqual(shown);
  });

  test('a document without a position replaces what is there, and what differs is printed without its values', async () => {
    const { position: _, giveUpAfterDays: __, ...kept } = await display();
    const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
    const replaced = await update({ ...kept, dns: [server('one', first), server('two', second)] });
    expect(replaced).toMatchObject({ status: 0, stderr: '' });
    expect(replaced.stdout).toMatch(/^added: dns\.1$/m);
    expect(replaced.stdout).toMatch(/^removed: giveUpAfterDays$/m);

    // Server one is removed and server two moves: neither key may go to the new address.
    const moved = { ...server('two', '<redacted>'), url: 'https://thief.test' };
    const refused = await update({ ...kept, dns: [moved] });
    expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('dns.0.apiKey reads <redacted>') });

    const edited = { ...server('two', '<redacted>'), zones: ['*'] };
    const updated = await update({ ...kept, dns: [edited] }, '--json');
    const { position, changes } = resultOf(updated);
    expect(changes).toEqual({ added: [], removed: ['dns.0'], changed: ['dns.0.zones'] });
    const open = await display('--show-secrets');
    expect(open).toEqual({ ...kept, position, dns: [{ ...edited, apiKey: second }] });
    const same = await update(open);
    expect(same).toMatchObject({ status: 0, stdout: expect.stringMatching(/^nothing differs from what was there$/m) });
    for (const { stdout, stderr } of [replaced, refused, same])
      expect(stdout + stderr).not.toMatch(new RegExp(`${first}|${second}`));
    expect(JSON.stringify(await display())).not.toMatch(new RegExp(`${first}|${second}`));
  });

  test('conf edit puts on the bus what an editor saved, and refuses what is wrong or comes too late', async () => {
    const edit = (EDITOR: string, ...args: string[]) =>
      certbus(temporary.path, ['conf', 'edit', ...args], { env: { EDITOR, TMPDIR: temporary.path } });
    const before = await display();
    const set = (days: number) => `sed -i 's/"version": 1/"version": 1, "giveUpAfterDays": ${days}/'`;
    expect(await edit('true')).toMatchObject({ status: 0, stdout: 'nothing differs from what was there\n' });
    expect(await edit(set(9))).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/what you wrote is in.*--yes/),
    });
    // Hours of work can be in it.
    expect((await edit(set(9), '--quiet')).stderr).toContain('what you wrote is in');
    expect(JSON.parse((await edit(set(9), '--json')).stdout)).toMatchObject({
      warnings: [expect.stringMatching(/^what you wrote is in \S+configuration\.json$/)],
      exitCode: 2,
    });
    const edited = await edit(set(9), '--yes');
    expect(edited).toMatchObject({ status: 0, stdout: expect.stringMatching(/^added: giveUpAfterDays$/m) });
    const after = await display();
    expect(after).toEqual({ ...before, giveUpAfterDays: 9, position: expect.any(Number) });
    const wrong = await edit(`sed -i 's/"version": 1/"version": 2/'`, '--yes');
    expect(wrong).toMatchObject({ status: 3, stderr: expect.stringContaining('version must be 1') });
    const late = await edit(
      `sed -i 's/"position": .*,/"position": 1,/; s/"giveUpAfterDays": 9/"giveUpAfterDays": 8/'`,
      '--yes',
    );
    expect(late).toMatchObject({
      status: 8,
      stderr: expect.stringMatching(/what you wrote is in \S+configuration\.json/),
    });
    expect(await edit('false', '--yes')).toMatchObject({ status: 2, stderr: expect.stringContaining('status 1') });
    expect(await edit('')).toMatchObject({ status: 2, stderr: expect.stringContaining('set EDITOR') });
    expect(await display()).toEqual(after);
    // Ctrl-C, twice, reaches everyone on the terminal: it is the editor's.
    const typing = `for _ in 1 2; do kill -INT $PPID $$; sleep 0.3; done; sed -i 's/"giveUpAfterDays": 9/"giveUpAfterDays": 7/'`;
    expect(await edit(typing, '--yes')).toMatchObject({ status: 0, stdout: expect.stringContaining('changed: ') });
    expect(await display()).toMatchObject({ giveUpAfterDays: 7 });
  });

  test('conf validate needs no bus, and the schema that is printed accepts what it accepts', async () => {
    const shown = JSON.stringify(await display());
    const elsewhere = { env: { CERTBUS_CONFIG: 'none.json' }, input: shown };
    const valid = await certbus(temporary.path, ['conf', 'validate', '-'], elsewhere);
    expect(valid).toMatchObject({ status: 0, stdout: 'the configuration is valid: authorities ca\n' });
    const wrong = await certbus(temporary.path, ['conf', 'validate', '-'], {
      ...elsewhere,
      input: '{"version":1,"a":2}',
    });
    expect(wrong).toMatchObject({ status: 3, stderr: expect.stringContaining('a is not a known field') });
    const { authorities, ...rest } = JSON.parse(shown);
    const input = JSON.stringify({ ...rest, authorities: { ...authorities, twin: authorities.ca } });
    const twins = await certbus(temporary.path, ['conf', 'validate', '-'], { ...elsewhere, input });
    expect(twins).toMatchObject({ status: 3, stderr: expect.stringContaining('authorities.twin.directory') });
    const schema = resultOf(await certbus(temporary.path, ['conf', 'schema', '--json'], elsewhere));
    expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(Object.keys(JSON.parse(shown))));
    expect(schema.required).toEqual(['version', 'authorities', 'defaultAuthority']);
  });
});
