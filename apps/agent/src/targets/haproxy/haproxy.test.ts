import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createSite } from '../../agent.builders.ts';
import { preview } from '../../preview.ts';
import { createTarget } from '../create-target.ts';
import { bring, createWanted } from '../target.builders.ts';

test('where HAProxy takes connections and answers nothing, the files for its next start are written after two seconds', async () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const [folder, socket] = [join(path, 'certs'), join(path, 'admin.sock')];
  const server = createServer((client) => void client.on('error', () => {}).resume()).listen(socket);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const wanted = await createWanted('a', ['a.test']);
  const target = await createTarget({ type: 'haproxy', name: 'haproxy', folder, socket });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const brought = expect(bring(target, [wanted])).rejects.toMatchObject({ code: 'CERTBUS_AGENT_TARGET_TIMED_OUT' });
  const isAsked = async () => {
    while (vi.getTimerCount() === 0) await turn();
  };
  await isAsked();
  expect(existsSync(folder)).toBe(false);
  await vi.advanceTimersByTimeAsync(2_000);
  await isAsked();
  expect(existsSync(join(folder, 'a.test.pem'))).toBe(true);
  await vi.advanceTimersByTimeAsync(10_000);
  await brought;
});

test('a check warns of a list with which HAProxy would not start', async () => {
  const site = await createSite();
  const haproxy = { type: 'haproxy', socket: join(site.folder, 'admin.sock'), folder: join(site.folder, 'certs') };
  const notesOn = async (target: Readonly<Record<string, unknown>>) =>
    (await preview(site.configuration([target]), new AbortController().signal)).targets[0]?.notes;
  const warning = expect.stringMatching(
    /^HAProxy does not start with a list without a certificate, unless .*"strict-sni"/,
  );
  expect(await notesOn(haproxy)).toEqual([]);
  const withDefault = { ...haproxy, default: 'a.test' };
  expect(await notesOn(withDefault)).toEqual([
    expect.stringContaining('"a.test": clients that name no server'),
    warning,
  ]);
  await site.bus.issue(['b.test']);
  expect(await notesOn(withDefault)).toEqual([expect.stringContaining('"a.test": clients that name no server')]);
});
