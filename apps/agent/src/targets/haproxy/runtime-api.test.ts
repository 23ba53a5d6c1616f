import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openRuntimeApi } from './runtime-api.ts';

/** What is answered in part. */
const HANGS = 'hangs';

/** A socket that answers each command with what is given for it and a prompt, in pieces of so many characters. */
async function answering(answers: Readonly<Record<string, string>>, size: number) {
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const path = join(folder, 'admin.sock');
  const server = createServer((socket) => {
    const lines = createInterface({ input: socket }).on('error', () => {});
    lines.on('line', (line) => {
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
  return api;
}

test.each([1, 2, 7, 100_000])('answers that come in pieces of %d are each given to their command', async (size) => {
  const long = `${'/a/path/that/is/long.pem\n'.repeat(40)}end`;
  const api = await answering({ first: 'one\ntwo', second: '', third: long, fourth: 'a > b' }, size);
  expect(await api.ask('first')).toBe('one\ntwo');
  expect(await api.askAll(['second', 'third', 'fourth', 'first'])).toEqual(['', long, 'a > b', 'one\ntwo']);
  expect(await api.askAll([])).toEqual([]);
  expect(await api.ask('fourth')).toBe('a > b');
});

test('a socket that hangs in the middle of an answer is given up, with everything that waits behind it', async () => {
  const api = await answering({ first: 'one' }, 100);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const asked = [api.askAll(['first', HANGS, 'first']), api.ask('first')];
  const given = Promise.allSettled(asked);
  await vi.advanceTimersByTimeAsync(10_000);
  const late = { status: 'rejected', reason: { code: 'CERTBUS_AGENT_TARGET_TIMED_OUT' } };
  expect(await given).toMatchObject([late, late]);
  await expect(api.ask('first')).rejects.toMatchObject({ code: 'CERTBUS_AGENT_TARGET_TIMED_OUT' });
});
