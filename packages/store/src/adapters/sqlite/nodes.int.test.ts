import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findNode, type NodeVersion, requirePart, run, temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, test } from 'vitest';
import { checkHistory, type Operation } from '../../conformance/history.ts';
import { pragma, readTexts, startWriter, until } from './processes.builders.ts';
import { hasWalResetFix } from './wal-reset.ts';

const AFFECTED = '22.18.0';
const FIXED = ['22.23.3', '24.21.0', '26.10.0'] as const;
const UPGRADE = 'Use Node 22.23 or 24.15, or later.';

const nodes = requirePart('node-versions');
const folder = temporaryFolder();
let files = 0;
const newPath = () => {
  files += 1;
  return join(folder.path, `bus${files}.db`);
};
afterAll(() => folder.remove());

/** A bus with one commit, made under a version of Node, and how it was made. */
async function createUnder(
  version: NodeVersion,
): Promise<{ readonly path: string; readonly made: readonly Operation[] }> {
  const path = newPath();
  const writer = startWriter(path, 'made', { node: await findNode(version), most: 1 });
  await writer.ended;
  expect(await readTexts(path)).toEqual(['made:0']);
  return { path, made: writer.operations() };
}

/** Lets writers of several Nodes append to one file at once, and checks the history that they saw together. */
async function expectNothingLost(
  { path, made }: Awaited<ReturnType<typeof createUnder>>,
  versions: readonly NodeVersion[],
): Promise<void> {
  const programs = await Promise.all(versions.map(findNode));
  const gate = `${path}.gate`;
  const writers = programs.map((node, n) => startWriter(path, `writer${n}`, { node, gate }));
  await until(() => programs.every((_, n) => existsSync(`${gate}.writer${n}`)));
  writeFileSync(gate, '');
  const counts = () => writers.map((writer) => writer.acknowledged().length);
  // Each writes on until it has written many while all the others do, or a machine that is busy runs one after the other.
  await until(() => Math.min(...counts()) > 0);
  const before = counts();
  await until(() => counts().every((count, n) => count >= (before[n] ?? 0) + 300));
  writeFileSync(`${gate}.end`, '');
  await Promise.all(writers.map(({ ended }) => ended));
  const texts = await readTexts(path);
  const spans = writers.map((writer) => writer.acknowledged());
  expect(texts).toHaveLength(1 + spans.flat().length);
  expect(checkHistory([...made, ...writers.flatMap((writer) => writer.operations())], texts)).toEqual([]);
  // Each began before any had ended, else they did not write at once.
  const begun = Math.max(...spans.map((span) => span[0]?.position ?? Number.NaN));
  const ended = Math.min(...spans.map((span) => span.at(-1)?.position ?? Number.NaN));
  expect(begun).toBeLessThan(ended);
  expect(pragma(path, 'integrity_check')).toBe('ok');
}

describe.skipIf(nodes.skip)(nodes.title('several versions of Node'), () => {
  test.each([[AFFECTED, false] as const, ...FIXED.map((version) => [version, true] as const)])(
    'Node %s has a SQLite with the fix of the WAL-reset race: %s',
    async (version, fixed) => {
      const sqlite = await run(await findNode(version), ['-p', 'process.versions.sqlite']);
      expect(hasWalResetFix(sqlite.trim())).toBe(fixed);
    },
  );

  test('22.23, 24 and 26 write one bus at once and lose nothing', async () => {
    const bus = await createUnder('24.21.0');
    expect(pragma(bus.path, 'journal_mode')).toBe('wal');
    await expectNothingLost(bus, FIXED);
  });

  test('22.18 refuses a bus in WAL mode, leaves it as it is, and says which Node to use', async () => {
    const { path } = await createUnder('24.21.0');
    const before = readFileSync(path);
    const writer = startWriter(path, 'late', { node: await findNode(AFFECTED), most: 1 });
    await writer.ended;
    expect(writer.acknowledged()).toEqual([]);
    expect(writer.complaint()).toContain(UPGRADE);
    expect(readFileSync(path)).toEqual(before);
  });

  test('a bus that 22.18 made stays as 22.18 can write it, and 24 writes it at the same time', async () => {
    const bus = await createUnder(AFFECTED);
    expect(pragma(bus.path, 'journal_mode')).toBe('delete');
    await expectNothingLost(bus, [AFFECTED, '24.21.0']);
    expect(pragma(bus.path, 'journal_mode')).toBe('delete');
  });

  test('a bus that 22.18 and 24 make at the same moment is of one kind or the other, and loses nothing', async () => {
    const [affected, fixed] = [await findNode(AFFECTED), await findNode('24.21.0')];
    for (let round = 0; round < 5; round += 1) {
      const path = newPath();
      const writers = [affected, fixed].map((node, n) => startWriter(path, `writer${n}`, { node, most: 20 }));
      await Promise.all(writers.map(({ ended }) => ended));
      const [ofAffected = [], ofFixed = []] = writers.map((writer) => writer.acknowledged());
      expect(ofFixed).toHaveLength(20);
      expect(ofAffected).toHaveLength(pragma(path, 'journal_mode') === 'wal' ? 0 : 20);
      const operations = writers.flatMap((writer) => writer.operations());
      expect(checkHistory(operations, await readTexts(path))).toEqual([]);
    }
  });

  test('22.18 writes no more once somebody put the bus in WAL mode under it', async () => {
    const { path, made } = await createUnder(AFFECTED);
    const writer = startWriter(path, 'writer', { node: await findNode(AFFECTED) });
    try {
      await until(() => writer.acknowledged().length > 20);
      await until(() => {
        try {
          return pragma(path, 'journal_mode = WAL') === 'wal';
        } catch {
          // The writer has it locked this moment.
          return false;
        }
      });
      await writer.ended;
      expect(writer.complaint()).toContain(UPGRADE);
      const texts = await readTexts(path);
      expect(checkHistory([...made, ...writer.operations()], texts)).toEqual([]);
      expect(texts).toHaveLength(1 + writer.acknowledged().length);
    } finally {
      await writer.kill();
    }
  });
});
