import { expect, test } from 'vitest';
import type { ArchivePlace } from '../../archive/place.ts';

const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const textOf = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();

/** The obligations of an `ArchivePlace`, for every adapter. */
export function describePlace(create: () => Promise<ArchivePlace>): void {
  test('what was put is got back; what was not is not there', async () => {
    const place = await create();
    expect(await place.get('a/b')).toBeUndefined();
    await place.put('a/b', bytesOf('one'));
    await place.put('a/b', bytesOf('two'));
    expect(textOf(await place.get('a/b'))).toBe('two');
    expect(await place.get('a/bc')).toBeUndefined();
    await place.close();
  });

  test('every byte comes back, and many of them', async () => {
    const place = await create();
    const bytes = Uint8Array.from({ length: 3_000_000 }, (_, n) => n % 251);
    await place.put('large', bytes);
    expect(Buffer.compare((await place.get('large')) ?? new Uint8Array(), bytes)).toBe(0);
    await place.close();
  });

  test('more than was asked for is refused, not taken into memory', async () => {
    const place = await create();
    await place.put('a/b', new Uint8Array(3_000));
    expect(await place.get('a/b', { maxBytes: 3_000 })).toHaveLength(3_000);
    await expect(place.get('a/b', { maxBytes: 2_999 })).rejects.toMatchObject({ code: 'CERTBUS_STORE_TOO_LARGE' });
    await place.put('a/b', new Uint8Array(10));
    expect(await place.get('a/b', { maxBytes: 2_999 })).toHaveLength(10);
    await place.close();
  });

  test('an update sees what is there, and may leave it', async () => {
    const place = await create();
    const seen: (string | undefined)[] = [];
    const change = (next: string | undefined) => (current: Uint8Array | undefined) => {
      seen.push(textOf(current));
      return next === undefined ? undefined : bytesOf(next);
    };
    await place.update('latest', change('one'));
    await place.update('latest', change(undefined));
    await place.update('latest', change('two'));
    expect(seen).toEqual([undefined, 'one', 'one']);
    expect(textOf(await place.get('latest'))).toBe('two');
    await place.close();
  });

  test('a key that leads elsewhere is refused', async () => {
    const place = await create();
    for (const key of ['../x', '/x', 'a/../../x', '', 'a b'])
      await expect((async () => place.get(key))()).rejects.toThrow(TypeError);
    await place.close();
  });

  test('an abort rejects each operation with its reason', async () => {
    const place = await create();
    const reason = new Error('stop');
    const options = { signal: AbortSignal.abort(reason) };
    await expect(place.get('a', options)).rejects.toBe(reason);
    await expect(place.put('a', bytesOf('x'), options)).rejects.toBe(reason);
    await expect(place.update('a', () => bytesOf('x'), options)).rejects.toBe(reason);
    expect(await place.get('a')).toBeUndefined();
    await place.close();
  });
}
