/** Tests of those who ask one process for the same names while it is at work on them. */
import { expect, test } from 'vitest';
import type { Context } from '../context.ts';
import { oneAtATime } from './one-at-a-time.ts';

const { signal: never } = new AbortController();
const REFUSED = new Error('the CA could not confirm a.test');

/** One process, the works that it began, and how each of them ends. */
function start() {
  const context = { connections: {} as Context['connections'] };
  const begun: { readonly by: string; readonly end: PromiseWithResolvers<string> }[] = [];
  const ask = (by: string, request: string | undefined, signal = never) => {
    const asked = oneAtATime(
      context,
      { names: ['a.test'], signal, ...(request === undefined ? {} : { request }) },
      () => {
        const end = Promise.withResolvers<string>();
        begun.push({ by, end });
        return end.promise;
      },
    );
    asked.catch(() => {});
    return asked;
  };
  /** Ends the work that was begun last, once it was. */
  const end = async (by: string, how: 'issued' | Error) => {
    await expect.poll(() => begun.at(-1)?.by).toBe(by);
    if (how === 'issued') begun.at(-1)?.end.resolve(how);
    else begun.at(-1)?.end.reject(how);
  };
  return { ask, end, begun: () => begun.map(({ by }) => by) };
}

test('who asked for the same while it failed has that failure, and nothing is tried again for each of them', async () => {
  const { ask, end, begun } = start();
  const asked = ['one', 'two', 'three'].map((by) => ask(by, 'P-256'));
  await end('one', REFUSED);
  for (const each of asked) await expect(each).rejects.toBe(REFUSED);
  expect(begun()).toEqual(['one']);
  const later = ask('later', 'P-256');
  await end('later', 'issued');
  expect(await later).toBe('issued');
});

test('who asked for something else, or wants it in any case, has it tried', async () => {
  const { ask, end } = start();
  const [, other, renewal, again] = [
    ask('one', 'P-256'),
    ask('other', 'RSA-2048'),
    ask('renewal', undefined),
    ask('again', undefined),
  ];
  await end('one', REFUSED);
  await end('other', 'issued');
  await end('renewal', REFUSED);
  await end('again', 'issued');
  expect([await other, await again]).toEqual(['issued', 'issued']);
  await expect(renewal).rejects.toBe(REFUSED);
});

test('one who gives up keeps no failure from those behind, and one who ends the work leaves it to them', async () => {
  const { ask, end, begun } = start();
  const [waiting, working] = [new AbortController(), new AbortController()];
  const first = ask('one', 'P-256');
  const second = ask('two', 'P-256', waiting.signal);
  const third = ask('three', 'P-256');
  waiting.abort(new Error('gave up'));
  await expect(second).rejects.toThrow('gave up');
  await end('one', REFUSED);
  for (const each of [first, third]) await expect(each).rejects.toBe(REFUSED);
  const [stopped, next] = [ask('stopped', 'P-256', working.signal), ask('next', 'P-256')];
  working.abort(new Error('stopped'));
  await end('stopped', new Error('stopped'));
  await end('next', 'issued');
  await expect(stopped).rejects.toThrow('stopped');
  expect(await next).toBe('issued');
  expect(begun()).toEqual(['one', 'stopped', 'next']);
});
