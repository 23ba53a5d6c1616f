import { once } from 'node:events';
import { existsSync, renameSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createId } from '@certbus/events';
import { expect, onTestFinished, test } from 'vitest';
import { createSite } from './agent.builders.ts';
import { settled } from './targets/tls.builders.ts';

/** A balancer that takes connections and says nothing. */
async function hangingSocket(path: string): Promise<Server> {
  const server = createServer(() => {}).listen(path);
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return server;
}

test('of ten targets one hangs and one refuses, and the others are up to date', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const socket = join(site.folder, 'hanging.sock');
  await hangingSocket(socket);
  const good = Array.from({ length: 8 }, (_, n) => ({
    type: 'files',
    name: `good-${n}`,
    folder: join(site.folder, `good-${n}`),
  }));
  const hanging = { type: 'haproxy', name: 'hanging', folder: join(site.folder, 'hanging'), socket };
  const refusing = { type: 'files', name: 'refusing', folder: '/proc/nowhere' };
  const agent = await site.start([hanging, refusing, ...good]);
  const inPlace = (name: string) => () => {
    for (const { folder } of good) expect(existsSync(join(folder, 'current', name, 'cert.pem'))).toBe(true);
  };
  await settled(inPlace('a.test'));
  await site.bus.issue(['b.test']);
  await settled(inPlace('b.test'));
  const named = () => Object.fromEntries(agent.status().targets.map(({ name, error }) => [name, error?.code]));
  await settled(() => expect(named()).toMatchObject({ refusing: 'CERTBUS_AGENT_TARGET_FAILED' }));
  expect(Object.values(named()).filter(Boolean).length).toBeLessThanOrEqual(2);
});

const get = (socketPath: string, path: string): Promise<{ status: number | undefined; text: string }> =>
  new Promise((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk)).on('end', () => resolve({ status: response.statusCode, text }));
    })
      .on('error', reject)
      .end();
  });

test('answers HTTP-01 on a socket that owner and group alone can use', async () => {
  const site = await createSite();
  const socket = join(site.folder, 'http01.sock');
  const agent = await site.start([{ type: 'files', folder: join(site.folder, 'certs') }], {
    http01: { listen: socket },
  });
  expect(agent.http01).toBe(socket);
  expect(statSync(socket).mode & 0o777).toBe(0o660);
  const token = Buffer.alloc(32, 2).toString('base64url');
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const thumbprint = Buffer.alloc(32, 1).toString('base64url');
  await site.bus.append({
    type: 'ChallengePresented',
    ...{ issuanceId: createId(), identifier: 'a.test', token, thumbprint, challengeType: 'http-01', expiresAt },
  });
  const path = `/.well-known/acme-challenge/${token}`;
  await settled(async () => expect(await get(socket, path)).toEqual({ status: 200, text: `${token}.${thumbprint}` }));
  expect(await get(socket, '/')).toMatchObject({ status: 404 });

  // The socket of a program that runs is not taken from it; one that was left by a kill is.
  const other = { stateDirectory: join(site.folder, 'other'), http01: { listen: socket } };
  const targets = [{ type: 'files', folder: join(site.folder, 'others') }];
  await expect(site.start(targets, other)).rejects.toMatchObject({
    code: 'CERTBUS_AGENT_CONFIG_INVALID',
    message: expect.stringContaining('Another program answers there'),
  });
  expect(await get(socket, path)).toMatchObject({ status: 200 });
  const [left, stale] = [await hangingSocket(`${socket}.left`), `${socket}.stale`];
  renameSync(`${socket}.left`, stale);
  left.close();
  await once(left, 'close');
  expect((await site.start(targets, { ...other, http01: { listen: stale } })).http01).toBe(stale);
});
