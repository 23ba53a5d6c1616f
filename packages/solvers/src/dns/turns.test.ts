import { expect, test } from 'vitest';
import { inTurn } from './turns.ts';

const never = new AbortController().signal;

/** Work that ends when told, and says when it began. */
function work() {
  const began = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const act = async () => {
    began.resolve();
    await end.promise;
  };
  return { act, began: began.promise, end: end.resolve };
}

test('who shares a key waits, who shares none does not', async () => {
  const [first, second, other] = [work(), work(), work()];
  const order: string[] = [];
  const running = [
    inTurn(['a', 'b'], never, first.act).then(() => order.push('first')),
    inTurn(['b', 'c'], never, second.act).then(() => order.push('second')),
    inTurn(['d'], never, other.act).then(() => order.push('other')),
  ];
  await Promise.all([first.began, other.began]);
  second.end();
  other.end();
  await running[2];
  first.end();
  await Promise.all(running);
  expect(order).toEqual(['other', 'first', 'second']);
});

test('keys in any order, again and again, never wait in a circle', async () => {
  const pairs = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? ['x', 'y'] : ['y', 'x', 'y']));
  let inside = 0;
  await Promise.all(
    pairs.map((keys) =>
      inTurn(keys, never, async () => {
        inside += 1;
        await Promise.resolve();
        expect(inside).toBe(1);
        inside -= 1;
      }),
    ),
  );
});

test('a failure lets the next one go on', async () => {
  const failing = inTurn(['e'], never, () => Promise.reject(new Error('broken')));
  const next = inTurn(['e'], never, async () => 'done');
  await expect(failing).rejects.toThrow('broken');
  expect(await next).toBe('done');
});

test('an abort ends the waiting with its reason, and the next in line still waits for those before', async () => {
  const first = work();
  const controller = new AbortController();
  const order: string[] = [];
  const one = inTurn(['f'], never, first.act).then(() => order.push('first'));
  const impatient = inTurn(['f'], controller.signal, async () => void order.push('never'));
  const last = inTurn(['f'], never, async () => void order.push('last'));
  await first.began;
  controller.abort(new Error('enough'));
  await expect(impatient).rejects.toThrow('enough');
  expect(order).toEqual([]);
  first.end();
  await Promise.all([one, last]);
  expect(order).toEqual(['first', 'last']);
});
