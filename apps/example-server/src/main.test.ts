/** Tests of the example server, on a bus of its own. */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { createTestBus } from '@certbus/client/testing';
import { temporaryFolder } from 'certbus-services';
import { expect, test } from 'vitest';
import { startExampleServer } from './main.ts';

function get(port: number, servername: string, path: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, servername, path, ca, headers: { host: servername } }, (response) => {
      text(response).then(resolve, reject);
    })
      .on('error', reject)
      .end();
  });
}

test('it greets with the name and the path asked for, and logs events and names without a certificate', async () => {
  const { bus, identity, trust, roots, issue, close } = await createTestBus();
  const lines: string[] = [];
  const stateDirectory = temporaryFolder();
  const server = await startExampleServer({
    bus,
    identity,
    trust,
    stateDirectory: stateDirectory.path,
    port: 0,
    httpPort: 0,
    intervalMs: 100,
    log: (line) => lines.push(line),
  });
  await issue(['a.test']);
  await expect.poll(() => lines.some((line) => line.startsWith('serving a.test'))).toBe(true);
  expect(await get(server.port, 'a.test', '/hello?x=1', roots)).toBe(
    'Hello from CertBus. You asked a.test for /hello?x=1\n',
  );
  await expect(get(server.port, 'b.test', '/', roots)).rejects.toThrow();
  expect(lines).toContain('no certificate for "b.test"');
  expect((await fetch(`http://127.0.0.1:${server.httpPort}/`)).status).toBe(404);
  await server.close();
  await close();
  stateDirectory.remove();
});

test('closing ends idle connections, lets those that are busy finish, and cuts what does not', async () => {
  const { bus, identity, trust, roots, issue, close } = await createTestBus();
  await issue(['a.test']);
  const stateDirectory = temporaryFolder();
  const place = { stateDirectory: stateDirectory.path, port: 0, httpPort: 0 };
  const server = await startExampleServer({ bus, identity, trust, ...place, drainMs: 2_000 });
  const open = async () => {
    const socket = connect({ host: '127.0.0.1', port: server.port, servername: 'a.test', ca: roots });
    await once(socket, 'secureConnect');
    return socket;
  };
  const session = connectHttp2(`https://127.0.0.1:${server.port}`, { servername: 'a.test', ca: roots });
  await once(session, 'connect');
  const [idle, busy, stuck] = [await open(), await open(), await open()];
  idle.write('GET / HTTP/1.1\r\nhost: a.test\r\n\r\n');
  await once(idle, 'data');
  for (const socket of [busy, stuck]) socket.write('GET /late HTTP/1.1\r\nhost: a.test\r\n');
  const answer = text(busy);
  const cut = once(stuck, 'close');
  // Read after the others, so that they are.
  await get(server.port, 'a.test', '/', roots);
  const closed = server.close();
  await Promise.all([once(idle.resume(), 'close'), once(session, 'close')]);
  busy.write('\r\n');
  expect(await answer).toContain('You asked a.test for /late');
  stuck.on('error', () => {});
  await cut;
  await closed;
  await close();
  stateDirectory.remove();
});

test('a port that is taken is told, and nothing is left running', async () => {
  const { bus, identity, trust, close } = await createTestBus();
  const folder = temporaryFolder();
  const options = { bus, identity, trust, stateDirectory: folder.path, port: 0, httpPort: 0 };
  const first = await startExampleServer(options);
  await expect(startExampleServer({ ...options, port: first.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await first.close();
  await close();
  folder.remove();
});
