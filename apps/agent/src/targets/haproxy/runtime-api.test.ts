import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openRuntimeApi } from './runtime-api.ts';

/** What is answered in part. */
const HANGS = 'hangs';
/** What is answered when the test says so. */
const SLOW = 'slow';

/** A socket that answers each command with what is given for it and a prompt, in pieces of so many characters. */
async function answering(answers: Readonly<Record<string, string>>, size: number) {
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const path = join(folder, 'admin.sock');
  const connected = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    connected.resolve(socket);
    const lines = createInterface({ input: socket }).on('error', () => {});
    lines.on('line', (line) => {
      if (line === SLOW) return;
      if (line === HANGS) return void socket.write('half of an ans');
      const text = `${answers[line] ?? ''}\n> `;
      for (let at = 0; at < text.length; at += size) socket.write(text.slice(at, at + size));
    });
    socket.on('error', () => {});
  }).listen(path);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const api = await openRuntimeApi(path, new AbortController().signal);
  onTestFinished(() => api.close());
  const socket = await connected.promise;
  return { api, answer: (text: string) => void socket.write(`${text}\n> `) };
}

function stopTime() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
}

test.each([1, 2, 7, 100_000])('answers that come in pieces of %d are each given to their command', async (size) => {
  const long = `${'/a/path/that/is/long.pem\n'.repeat(40)}end`;
  const { api } = await answering({ first: 'one\ntwo', second: '', third: long, fourth: 'a > b' }, size);
  expect(await api.ask('first')).toBe('one\ntwo');
  expect(await api.askAll(['second', 'third', 'fourth', 'first'])).toEqual(['', long, 'a > b', 'one\ntwo']);
  expect(await api.askAll([])).toEqual([]);
  expect(await api.ask('fourth')).toBe('a > b');
});

test('a socket that hangs in the middle of an answer is given up, with everything that waits behind it', async () => {
  const { api } = await answering({ first: 'one' }, 100);
  stopTime();
  expect(await api.ask('first')).toBe('one');
  const given = Promise.allSettled([api.askAll([HANGS, 'first']), api.ask('first')]);
  await vi.advanceTimersByTimeAsync(10_000);
  const reason = { code: 'CERTBUS_AGENT_TARGET_TIMED_OUT', message: expect.stringContaining(`"${HANGS}"`) };
  const late = { status: 'rejected', reason };
  expect(await given).toMatchObject([late, late]);
  await expect(api.ask('first')).rejects.toMatchObject({ code: 'CERTBUS_AGENT_TARGET_TIMED_OUT' });
});

test('the time that a command has begins when the one before it is answered', async () => {
  const { api, answer } = await answering({}, 100);
  stopTime();
  const asked = [api.ask(SLOW), api.ask(SLOW), api.ask(SLOW)];
  for (const [n, each] of asked.entries()) {
    await vi.advanceTimersByTimeAsync(6_000);
    answer(`answer ${n}`);
    expect(await each).toBe(`answer ${n}`);
  }
  expect(vi.getTimerCount()).toBe(0);
});

test('one that answers nothing is given up after the time that it has for its first answer', async () => {
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const path = join(folder, 'admin.sock');
  const connected = Promise.withResolvers<Socket>();
  const server = createServer((socket) => connected.resolve(socket.on('error', () => {}))).listen(path);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  stopTime();
  const { signal } = new AbortController();
  const open = () => openRuntimeApi(path, signal, { firstAnswerMs: 2_000 });
  const given = expect(open()).rejects.toMatchObject({
    code: 'CERTBUS_AGENT_TARGET_TIMED_OUT',
    message: expect.stringContaining('within 2 s'),
  });
  await vi.advanceTimersByTimeAsync(2_000);
  await given;
});

test.each([
  [
    'of the master process',
    'master> ',
    /it is that of the master process \("-S"\)\. Name that of a "stats socket" line/,
  ],
  ['that sends without an end', 'A'.repeat(100_000), /its answer has no end/],
])('a socket %s is given up at once, and named', async (_, sent, message) => {
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const path = join(folder, 'admin.sock');
  const server = createServer((socket) => {
    socket.on('error', () => {}).once('data', () => void socket.write(sent));
  }).listen(path);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const opening = openRuntimeApi(path, new AbortController().signal, { maxAnswer: 90_000 });
  await expect(opening).rejects.toMatchObject({
    code: 'CERTBUS_AGENT_TARGET_FAILED',
    message: expect.stringMatching(message),
  });
});
