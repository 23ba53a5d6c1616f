/** Tests of the example server, on a bus of its own. */
import { request } from 'node:https';
import { createTestBus } from '@certbus/client/testing';
import { temporaryFolder } from 'certbus-services';
import { expect, test } from 'vitest';
import { startExampleServer } from './main.ts';

function get(port: number, servername: string, path: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, servername, path, ca, headers: { host: servername } }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk)).on('end', () => resolve(text));
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
