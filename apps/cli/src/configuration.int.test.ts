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

describe('the configuration on the bus', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    const dns = ['--dns-provider', 'challtestsrv', '--dns-url', 'http://127.0.0.1:1'];
    const made = await run(['init', '--agree-tos', '--directory', 'https://127.0.0.1:1/dir', ...dns]);
    expect(made).toMatchObject({ status: 0 });
  }, 60_000);

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
    expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('dns.0.apiKey says <redacted>') });

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
});
