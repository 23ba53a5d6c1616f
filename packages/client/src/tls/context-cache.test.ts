import { createSecureContext } from 'node:tls';
import { expect, test, vi } from 'vitest';
import { createContextCache, type NamedContext } from './context-cache.ts';

const named = (certificateId: string, until = Number.POSITIVE_INFINITY): NamedContext => ({
  certificateId,
  leafHash: certificateId,
  context: createSecureContext(),
  until,
});
const closeOf = ({ context }: NamedContext) =>
  vi.spyOn((context as unknown as { context: { close(): void } }).context, 'close');

test('several that ask at once share one making, and later ones find it', async () => {
  const make = vi.fn(async () => named('one'));
  const cache = createContextCache({ size: 10, make, now: Date.now });
  const [first, second] = await Promise.all([cache.get('a.test'), cache.get('a.test')]);
  expect(first).toBe(second);
  expect(cache.peek('a.test')).toBe(first);
  expect(make).toHaveBeenCalledOnce();
});

test('it stays within its size, and what goes is closed', async () => {
  const made: NamedContext[] = [];
  const make = async (name: string) => {
    const context = named(name);
    made.push(context);
    return context;
  };
  const cache = createContextCache({ size: 3, make, now: Date.now });
  await cache.get('n0.test');
  const close = closeOf(made[0] as NamedContext);
  for (let n = 1; n < 10; n += 1) await cache.get(`n${n}.test`);
  expect(cache.size).toBe(3);
  expect(close).toHaveBeenCalledOnce();
  expect(cache.recent()).toEqual(['n9.test', 'n8.test', 'n7.test']);
});

test('a change gives up the contexts of its certificate and its names, and no others', async () => {
  const make = vi.fn(async (name: string) => named(name.endsWith('.b.test') ? 'wildcard b' : name));
  const cache = createContextCache({ size: 10, make, now: Date.now });
  for (const name of ['x.b.test', 'y.b.test', 'a.test', 'c.test']) await cache.get(name);
  cache.drop('wildcard b', ['*.b.test', 'c.test']);
  expect(['x.b.test', 'y.b.test', 'a.test', 'c.test'].map((name) => cache.peek(name) !== undefined)).toEqual([
    false,
    false,
    true,
    false,
  ]);
});

test('what changed while it was being made is made again', async () => {
  let release = () => {};
  const waiting = new Promise<void>((resolve) => {
    release = resolve;
  });
  let makes = 0;
  const make = async () => {
    makes += 1;
    const mine = named(`version ${makes}`);
    if (makes === 1) await waiting;
    return mine;
  };
  const cache = createContextCache({ size: 10, make, now: Date.now });
  const asked = cache.get('a.test');
  cache.drop('certificate', ['a.test']);
  release();
  await asked;
  expect(makes).toBe(2);
});

test('one that has expired is looked up again', async () => {
  let now = 1_000;
  const make = vi.fn(async () => named('one', now + 100));
  const cache = createContextCache({ size: 10, make, now: () => now });
  await cache.get('a.test');
  now = 1_099;
  expect(cache.peek('a.test')).toBeDefined();
  now = 1_100;
  expect(cache.peek('a.test')).toBeUndefined();
});

test('a making that fails fails its askers, and is tried again by the next', async () => {
  const make = vi
    .fn<() => Promise<NamedContext>>()
    .mockRejectedValueOnce(new Error('no'))
    .mockResolvedValue(named('one'));
  const cache = createContextCache({ size: 10, make, now: Date.now });
  await expect(cache.get('a.test')).rejects.toThrow('no');
  await expect(cache.get('a.test')).resolves.toBeDefined();
});
