/** Tests of writing the floor into a machine's trust file. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBusId, formatTrust } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { environmentOf } from './environment.ts';
import { readLocalConfig } from './local-config.ts';
import { trustOf, writeFloor } from './trust-file.ts';

const temporary = temporaryFolder();
let sites = 0;
afterAll(() => temporary.remove());

const trust = { busId: createBusId(), rootKey: createBusId() };
const floorOf = (position: number, rootSequence: number) => ({ position, hash: createBusId(), rootSequence });

/** A folder with a trust file of a mode. */
function newSite({ mode = 0o644, text = `${formatTrust(trust)}\n` } = {}) {
  sites += 1;
  const folder = join(temporary.path, String(sites));
  mkdirSync(folder, { mode: 0o755 });
  const path = join(folder, 'bus.pub');
  writeFileSync(path, text);
  chmodSync(path, mode);
  writeFileSync(join(folder, 'certbus.json'), JSON.stringify({ bus: 'sqlite:./bus.db#test', trust: 'bus.pub' }));
  const config = (env: Readonly<Record<string, string>> = {}) => readLocalConfig({ file: undefined, env, cwd: folder });
  return { folder, path, config };
}

test.each([0o644, 0o640, 0o600, 0o444])('the floor is written below the trust line, and mode %o stays', (mode) => {
  const { folder, path, config } = newSite({ mode });
  const floor = floorOf(12, 3);
  const written = writeFloor(config(), floor);
  expect(written).toEqual({ trust: formatTrust({ ...trust, floor }), file: path, problem: undefined });
  expect(readFileSync(path, 'utf8')).toBe(`${written.trust}\n`);
  expect(statSync(path).mode & 0o7777).toBe(mode);
  expect(readdirSync(folder).sort()).toEqual(['bus.pub', 'certbus.json']);
});

test('a later floor takes the place of one; an earlier one never does', () => {
  const { path, config } = newSite();
  const floor = floorOf(12, 3);
  writeFloor(config(), floor);
  for (const less of [floorOf(11, 3), floorOf(12, 3), floorOf(90, 2)])
    expect(writeFloor(config(), less).trust).toBe(formatTrust({ ...trust, floor }));
  expect(readFileSync(path, 'utf8')).toBe(`${formatTrust({ ...trust, floor })}\n`);
  // After a restore positions are lower, and the sequence is higher.
  const restored = floorOf(5, 103);
  writeFloor(config(), restored);
  expect(readFileSync(path, 'utf8')).toBe(`${formatTrust({ ...trust, floor: restored })}\n`);
});

test('a symbolic link to the file stays one', () => {
  const { folder, path, config } = newSite();
  const elsewhere = newSite();
  writeFileSync(join(folder, 'certbus.json'), JSON.stringify({ bus: 'sqlite:./bus.db#test', trust: 'linked.pub' }));
  symlinkSync(elsewhere.path, join(folder, 'linked.pub'));
  const floor = floorOf(7, 2);
  writeFloor(config(), floor);
  expect(readFileSync(elsewhere.path, 'utf8')).toContain('since 7');
  expect(readdirSync(elsewhere.folder).sort()).toEqual(['bus.pub', 'certbus.json']);
  expect(readFileSync(path, 'utf8')).not.toContain('since');
});

test('trust that is given as text comes back with the floor, and no file is written', () => {
  const { path, config } = newSite();
  const floor = floorOf(7, 2);
  const written = writeFloor(config({ CERTBUS_TRUST: formatTrust(trust) }), floor);
  expect(written).toEqual({ trust: formatTrust({ ...trust, floor }), file: undefined, problem: undefined });
  expect(readFileSync(path, 'utf8')).not.toContain('since');
});

test.each([
  ['two lines', (text: string) => text],
  ['\\n in two characters', (text: string) => text.replaceAll('\n', '\\n')],
  ['a byte order mark', (text: string) => `\ufeff${text}`],
])('trust with a floor is taken from the environment as %s, not for a path', (_, given) => {
  const { config } = newSite();
  const text = given(formatTrust({ ...trust, floor: floorOf(7, 2) }));
  expect(config({ CERTBUS_TRUST: text })).toMatchObject({ trust: text, trustFile: undefined });
});

test('an old head is accepted by the environment where it says so, and by what a program asks for', () => {
  const { config } = newSite();
  const accepts = (value: string | undefined, acceptStale?: boolean) =>
    environmentOf(config(), { variables: { CERTBUS_ACCEPT_STALE: value }, acceptStale }).acceptStale;
  expect([undefined, '', '0', 'false', '1', 'true'].map((value) => accepts(value))).toEqual([
    false,
    false,
    false,
    false,
    true,
    true,
  ]);
  expect(accepts(undefined, true)).toBe(true);
});

test('a trust file that is not one is named', () => {
  const { path, config } = newSite({ text: 'something else\n' });
  const malformed = (message: string) => expect.objectContaining({ code: 'CERTBUS_EVENTS_TRUST_MALFORMED', message });
  expect(() => trustOf(config())).toThrow(malformed(expect.stringContaining(`${path}: Line 1 of a trust file reads`)));
  expect(() => trustOf(config({ CERTBUS_TRUST: 'certbus1 x y' }))).toThrow(
    malformed(expect.stringMatching(/^Line 1 of a trust file reads/)),
  );
});
