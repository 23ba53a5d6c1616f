import { expect, test } from 'vitest';
import { TrimmedError, VersionConflictError } from '../errors.ts';
import type { Log, LogMaintenance } from '../log.ts';

const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const textsOf = async (log: Log, after: number): Promise<string[]> => {
  const { commits } = await log.read('s', after, { consistent: true });
  return commits.map(({ position, bytes }) => `${position}:${Buffer.from(bytes)}`);
};

/** The obligations of `LogMaintenance`, for every adapter that has it. */
export function describeMaintenance(create: () => Promise<{ log: Log; reopen: () => Promise<Log> }>): void {
  /** A log of so many commits, opened twice. */
  async function open(count: number) {
    const { log, reopen } = await create();
    for (let after = 0; after < count; after += 1) await log.append('s', after, bytesOf(`c${after + 1}`));
    const { maintenance } = log;
    if (!maintenance) throw new TypeError('this log has no maintenance');
    const other = await reopen();
    const close = () => Promise.all([log.close(), other.close()]);
    return { log, other, maintenance: maintenance as LogMaintenance, close };
  }

  test('what was trimmed is told as such, to others as well, and the rest stays', async () => {
    const { log, other, maintenance, close } = await open(8);
    await maintenance.trim('s', 6);
    for (const reader of [log, other]) {
      for (const after of [0, 3, 4]) await expect(reader.read('s', after)).rejects.toMatchObject({ first: 6 });
      await expect(reader.read('s', 0)).rejects.toBeInstanceOf(TrimmedError);
      expect(await textsOf(reader, 5)).toEqual(['6:c6', '7:c7', '8:c8']);
    }
    expect(await other.append('s', 8, bytesOf('c9'))).toBe(9);
    await close();
  });

  test('nobody can append where something was trimmed, however late', async () => {
    const { log, other, maintenance, close } = await open(8);
    await maintenance.trim('s', 6);
    for (const writer of [log, other])
      for (const after of [0, 1, 4, 5])
        await expect(writer.append('s', after, bytesOf('late'))).rejects.toBeInstanceOf(VersionConflictError);
    expect(await textsOf(log, 5)).toHaveLength(3);
    await close();
  });

  test('trimming again, or less, changes nothing; trimming beyond the head is refused', async () => {
    const { log, maintenance, close } = await open(8);
    await maintenance.trim('s', 6);
    await maintenance.trim('s', 6);
    await maintenance.trim('s', 3);
    await expect(maintenance.trim('s', 9)).rejects.toBeInstanceOf(VersionConflictError);
    expect(await textsOf(log, 5)).toHaveLength(3);
    await maintenance.trim('s', 8);
    expect(await textsOf(log, 7)).toEqual(['8:c8']);
    await close();
  });

  test('trimming one stream leaves the others', async () => {
    const { log, maintenance, close } = await open(3);
    await log.append('t', 0, bytesOf('other'));
    await maintenance.trim('s', 3);
    expect((await log.read('t', 0, { consistent: true })).commits).toHaveLength(1);
    await close();
  });

  test('a replacement needs exactly what lies there', async () => {
    const { log, maintenance, close } = await open(3);
    const change = { found: bytesOf('c2'), bytes: bytesOf('mended') };
    await expect(maintenance.replace('s', 2, { ...change, found: bytesOf('else') })).rejects.toMatchObject({
      code: 'CERTBUS_STORE_VERSION_CONFLICT',
      position: 2,
    });
    await expect(maintenance.replace('s', 2, { ...change, found: undefined })).rejects.toThrow(VersionConflictError);
    await maintenance.replace('s', 2, change);
    await maintenance.replace('s', 2, change);
    expect(await textsOf(log, 0)).toEqual(['1:c1', '2:mended', '3:c3']);
    await close();
  });

  test('a commit is removed, and put back where nothing lies', async () => {
    const { log, maintenance, close } = await open(3);
    await maintenance.replace('s', 3, { found: bytesOf('c3'), bytes: undefined });
    await maintenance.replace('s', 3, { found: bytesOf('c3'), bytes: undefined });
    expect(await textsOf(log, 0)).toEqual(['1:c1', '2:c2']);
    await maintenance.replace('s', 3, { found: undefined, bytes: bytesOf('back') });
    expect(await textsOf(log, 2)).toEqual(['3:back']);
    expect(await log.append('s', 3, bytesOf('c4'))).toBe(4);
    await close();
  });

  test('a position that is none, and bytes that are too many, are refused', async () => {
    const { maintenance, close } = await open(1);
    await expect(maintenance.replace('s', 0, { found: undefined, bytes: bytesOf('x') })).rejects.toThrow(TypeError);
    await expect(
      maintenance.replace('s', 2, { found: undefined, bytes: new Uint8Array(300_001) }),
    ).rejects.toMatchObject({ code: 'CERTBUS_STORE_TOO_LARGE' });
    await close();
  });
}
