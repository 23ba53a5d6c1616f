import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { requirePart } from 'certbus-services';
import { isFull } from 'certbus-services/vitest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSite } from '../../agent.builders.ts';
import { testTarget } from '../../conformance/suite.builders.ts';
import { AgentError } from '../../errors.ts';
import { preview } from '../../preview.ts';
import { createTarget } from '../create-target.ts';
import { bring, createWanted, watched } from '../target.builders.ts';
import { settled, shown } from '../tls.builders.ts';
import { openAdminApi } from './admin-api.ts';
import { createNginx, createNginxOf, createNginxWithState } from './nginx.builders.ts';
import { createNginxTarget } from './nginx.ts';
import { formatToken, readToken } from './token.ts';

const part = requirePart('nginx');
const refusal = new AgentError('CERTBUS_AGENT_PAIR_REFUSED', 'no key for it');

describe.skipIf(part.skip)(part.title('the target nginx with njs'), () => {
  testTarget(createNginx);
  // At full counts all of it once more, with a memory that is saved.
  if (isFull) describe('and a file of its memory', () => testTarget(createNginxWithState));

  test('starts with the file of its memory while the agent is down, which holds keys, and only its workers reach it', async () => {
    const site = await createSite();
    const { serialNumber } = await site.bus.issue(['a.test']);
    const { start, port, target, stateFile } = await createNginxWithState(site);
    const first = await start();
    const agent = await site.start([target]);
    await agent.started;
    const renewed = await site.bus.issue(['a.test']);
    await settled(async () => expect(await shown(port, 'a.test')).toBe(renewed.serialNumber));
    await settled(() => expect(agent.status().targets[0]?.error).toBeNull());
    await agent.stop();
    await first.stop();
    await start();
    expect(await shown(port, 'a.test')).toBe(renewed.serialNumber);
    expect(renewed.serialNumber).not.toBe(serialNumber);
    // nginx makes the file readable by all: the folder is what keeps others out.
    expect(readFileSync(stateFile, 'utf8')).toContain('PRIVATE KEY');
    const folder = dirname(stateFile);
    expect([stateFile, folder].map((path) => (statSync(path).mode & 0o777).toString(8))).toEqual(['644', '700']);
    const { uid: owner } = statSync(folder);
    expect(statSync(stateFile).uid).toBe(owner);
    // As root, the tests can be another user as well.
    const other = process.getuid?.() === 0 ? { uid: owner + 1, gid: owner + 1 } : undefined;
    const { status } = spawnSync('cat', [stateFile], { ...other, stdio: 'ignore' });
    expect(status).toBe(other ? 1 : 0);
  });

  test('a look by another process finds what is in place in effect, until its memory is empty', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const { start, target } = await createNginx(site, { defaultName: undefined });
    const first = await start();
    const agent = await site.start([target]);
    await agent.started;
    await agent.stop();
    const look = async () => (await preview(site.configuration([target]), new AbortController().signal)).targets[0];
    expect(await look()).toMatchObject({ put: [], inPlace: 1, isInEffect: true });
    await first.stop();
    await start();
    expect(await look()).toMatchObject({ put: [['a.test']], inPlace: 0, isInEffect: false });
  });

  test('is filled again as soon as its memory is empty', async () => {
    const site = await createSite();
    const { serialNumber } = await site.bus.issue(['a.test']);
    const { start, port, target } = await createNginx(site, { defaultName: undefined });
    const first = await start();
    const agent = await site.start([target]);
    await agent.started;
    await first.stop();
    await start();
    await settled(async () => expect(await shown(port, 'a.test')).toBe(serialNumber));
  });

  test('is seen to be back once after it was away, with an empty memory', async () => {
    const site = await createSite();
    const { start, port, target } = await createNginx(site, { defaultName: undefined });
    const first = await start();
    const token = () => readToken(String(target['tokenFile']));
    const api = openAdminApi({ socket: String(target['socket']), token });
    let [answered, away] = [0, 0];
    const counted: typeof api = {
      ...api,
      async epoch(signal) {
        const found = await api.epoch(signal).finally(() => {
          away += 1;
        });
        [answered, away] = [answered + 1, away - 1];
        return found;
      },
    };
    const made = createNginxTarget({ name: 'nginx', address: undefined, files: undefined }, counted);
    onTestFinished(() => made.close());
    const wanted = await createWanted('a', ['a.test']);
    await bring(made, [wanted]);
    const { reports, end } = watched(made);
    const before = answered;
    await settled(() => expect(answered).toBeGreaterThan(before));
    expect(reports).toEqual([]);
    await first.stop();
    await settled(() => expect(away).toBeGreaterThan(0));
    await start();
    await settled(() => expect(reports).toContain('back'));
    await bring(made, [wanted]);
    expect(await shown(port, 'a.test')).toBe(wanted.serialNumber);
    const then = answered;
    await settled(() => expect(answered).toBeGreaterThan(then + 1));
    await end();
    expect(reports.slice(0, 2)).toEqual(['lost', 'back']);
    expect(reports.filter((report) => report === 'back')).toHaveLength(1);
  });

  test('is put right at once where its memory is that of an earlier change', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const { start, port, target } = await createNginx(site, { defaultName: undefined });
    await start();
    const agent = await site.start([target]);
    await agent.started;
    const { signal } = new AbortController();
    const token = () => readToken(String(target['tokenFile']));
    const api = openAdminApi({ socket: String(target['socket']), token });
    onTestFinished(() => api.close());
    const earlier = await api.epoch(signal);
    const added = await site.bus.issue(['b.test']);
    await settled(async () => expect(await shown(port, 'b.test')).toBe(added.serialNumber));
    await settled(async () => expect(await api.epoch(signal)).not.toBe(earlier));
    // As where nginx was killed, and started with a file of its memory that was saved before.
    await api.remove(added.certificateId, signal);
    await api.setEpoch(earlier, signal);
    await settled(async () => expect(await shown(port, 'b.test')).toBe(added.serialNumber));
  });

  test('a certificate that does not fit into its memory any more loses none of its names, and the message says what to make larger', async () => {
    const site = await createSite();
    const { start, target } = await createNginxOf('32k')(site);
    await start();
    const token = () => readToken(String(target.tokenFile));
    const api = openAdminApi({ socket: target.socket, token });
    onTestFinished(() => api.close());
    const { signal } = new AbortController();
    const put = async (certificateId: string, names: readonly string[], length: number) => {
      const value = `${'f'.repeat(43)}\n${names.join(' ')}\n${'x'.repeat(length)}\n`;
      const answer = (await api.putAll([{ certificate: { certificateId, names }, value }], signal)).get(certificateId);
      if (answer instanceof AgentError) throw answer;
    };
    await put('one', ['a.test', 'b.test'], 1_000);
    let full: unknown;
    for (let n = 0; n < 20 && full === undefined; n += 1)
      full = await put(`other-${n}`, [`${n}.test`], 3_000).then(
        () => undefined,
        (error: unknown) => error,
      );
    const refused = { code: 'CERTBUS_AGENT_TARGET_REFUSED', message: expect.stringContaining('"js_shared_dict_zone"') };
    expect(full).toMatchObject(refused);
    const before = await api.list(signal);
    expect(before.get('one')?.names).toEqual(['a.test', 'b.test']);
    await expect(put('one', ['a.test', 'c.test'], 9_000)).rejects.toMatchObject(refused);
    expect(await api.list(signal)).toEqual(before);
  });

  test('a name of two certificates leads to the better one, and to the other when that is removed', async () => {
    const site = await createSite();
    const first = await site.bus.issue(['a.test', 'b.test'], { days: 30 });
    const second = await site.bus.issue(['a.test'], { days: 90 });
    const { start, port, target } = await createNginx(site, { defaultName: undefined });
    await start();
    const agent = await site.start([target]);
    await agent.started;
    expect(await shown(port, 'a.test')).toBe(second.serialNumber);
    await site.bus.remove(second.certificateId);
    await settled(async () => expect(await shown(port, 'a.test')).toBe(first.serialNumber));
  });

  test('a name leads to the certificate that ranks first, also after time changed which that is', async () => {
    const site = await createSite();
    const [one, two] = [
      await createWanted('one', ['a.test', 'b.test']),
      await createWanted('two', ['a.test', 'c.test']),
    ];
    const exact = await createWanted('exact', ['www.d.test']);
    const wild = await createWanted('wild', ['*.d.test']);
    const { start, port, target } = await createNginx(site, { defaultName: undefined });
    await start();
    const [socket, tokenFile] = [String(target['socket']), String(target['tokenFile'])];
    const made = await createTarget({ type: 'nginx', name: 'nginx', socket, tokenFile });
    const showing = async () =>
      Promise.all(['a.test', 'b.test', 'c.test', 'www.d.test', 'x.d.test'].map((name) => shown(port, name)));
    await bring(made, [one, two, exact, wild]);
    const first = [one, one, two, exact, wild].map(({ serialNumber }) => serialNumber);
    expect(await showing()).toEqual(first);
    const again = [wild, two, one, exact];
    expect(await bring(made, again)).toMatchObject({ isInEffect: false });
    expect(await showing()).toEqual([two, one, two, wild, wild].map(({ serialNumber }) => serialNumber));
    expect(await bring(made, again)).toMatchObject({ isInEffect: true });
    // One that cannot be opened takes no name from another.
    const broken = {
      ...(await createWanted('new', ['a.test'])),
      open: () => two.open().then(() => Promise.reject(refusal)),
    };
    expect((await bring(made, [broken, one, two, exact, wild])).refused?.get('new')).toBe(refusal);
    expect(await showing()).toEqual(first);
    await made.close();
  });

  test('answers nobody without the token', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const { start, port, target } = await createNginx(site, { defaultName: undefined });
    await start();
    writeFileSync(String(target['tokenFile']), formatToken('another-token-that-is-wrong'), { mode: 0o600 });
    const agent = await site.start([target]);
    await agent.started;
    expect(agent.status().targets[0]?.error?.message).toContain('it does not know the token of this agent');
    expect(await shown(port, 'a.test')).toBeUndefined();
  });
});

test.each([
  ['in the middle of an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of'],
  ['before an answer', ''],
])('a socket that hangs %s is given up', async (_, answer) => {
  const { folder } = await createSite();
  const socket = join(folder, 'hangs.sock');
  const server = createServer((client) => {
    client.on('error', () => {});
    client.once('data', () => void client.write(answer));
  }).listen(socket);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const api = openAdminApi({ socket, token: () => 'token', timeoutMs: 100 });
  const { signal } = new AbortController();
  await expect(api.list(signal)).rejects.toMatchObject({ code: 'CERTBUS_AGENT_TARGET_TIMED_OUT' });
  api.close();
});

test('an nginx that has not read the script of this version yet is to be reloaded', async () => {
  const { folder } = await createSite();
  const socket = join(folder, 'other.sock');
  const server = createHttpServer((request, response) => {
    request.resume().on('end', () => response.writeHead(404).end('unknown\n'));
  }).listen(socket);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const api = openAdminApi({ socket, token: () => 'token' });
  onTestFinished(() => api.close());
  const puts = ['one', 'two'].map((id) => ({ certificate: { certificateId: id, names: [] }, value: 'value' }));
  await expect(api.putAll(puts, new AbortController().signal)).rejects.toMatchObject({
    code: 'CERTBUS_AGENT_TARGET_FAILED',
    message: expect.stringContaining('another version than this agent. Reload nginx'),
  });
});
