/** The example server as its visitors see it: a real browser, and clients that know one way only. */

import { once } from 'node:events';
import { type ConnectionOptions, connect } from 'node:tls';
import { createTestBus, type TestBus } from '@certbus/client/testing';
import { type Chromium, requirePart, startChromium, temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type ExampleServer, startExampleServer } from './main.ts';

const chromium = requirePart('chromium');
const folder = temporaryFolder();
let bus: TestBus;
let server: ExampleServer;
/** Serial numbers of the certificates by their first name. */
const serials = new Map<string, string>();

beforeAll(async () => {
  bus = await createTestBus();
  for (const keyType of ['p-256', 'rsa-2048'] as const) {
    const name = `${keyType}.test`;
    serials.set(name, (await bus.issue([name, `www.${name}`], { keyType })).serialNumber);
  }
  server = await startExampleServer({
    bus: bus.bus,
    identity: bus.identity,
    trust: bus.trust,
    stateDirectory: folder.path,
    port: 0,
    httpPort: 0,
    intervalMs: 100,
    drainMs: 0,
  });
});
afterAll(async () => {
  await server?.close();
  await bus?.close();
  folder.remove();
});

test.skipIf(chromium.skip)(
  chromium.title(
    'a browser opens two names, over HTTP/2 and HTTP/1.1, before and after a renewal, and objects to nothing',
  ),
  async () => {
    const start = async (http2: boolean): Promise<Chromium> => {
      const browser = await startChromium({ port: server.port, roots: bus.roots, http2 });
      onTestFinished(() => browser.stop());
      return browser;
    };
    const browsers = new Map([
      ['h2', await start(true)],
      ['http/1.1', await start(false)],
    ]);
    const visit = async () => {
      for (const [protocol, browser] of browsers)
        for (const [name, serialNumber] of serials)
          expect(await browser.open(`https://www.${name}/path`)).toEqual({
            text: `Hello from CertBus. You asked www.${name} for /path\n`,
            protocol,
            isSecure: true,
            serialNumber,
          });
    };
    await visit();
    for (const keyType of ['p-256', 'rsa-2048'] as const) {
      const name = `${keyType}.test`;
      serials.set(name, (await bus.issue([name, `www.${name}`], { keyType })).serialNumber);
    }
    const served = () => [...server.client.certificates()].map(({ serialNumber }) => serialNumber).sort();
    await expect.poll(served).toEqual([...serials.values()].sort());
    await visit();
    await expect(browsers.get('h2')?.open('https://unknown.test/')).rejects.toThrow('net::ERR_');
  },
);

/** What a full handshake shows, or the code of its failure. */
async function shown(options: ConnectionOptions): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: server.port, ca: bus.roots, ...options });
  try {
    await once(socket, 'secureConnect');
    return `${socket.getProtocol()} ${socket.getPeerCertificate().subjectaltname}`;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
  }
}

const TLS_1_2 = { maxVersion: 'TLSv1.2' } as const;

test.each([
  ['TLS 1.2 only', { ...TLS_1_2, servername: 'p-256.test' }, 'TLSv1.2 DNS:p-256.test, DNS:www.p-256.test'],
  ['TLS 1.3 only', { minVersion: 'TLSv1.3', servername: 'p-256.test' }, 'TLSv1.3 DNS:p-256.test, DNS:www.p-256.test'],
  [
    'RSA only',
    { ...TLS_1_2, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', servername: 'rsa-2048.test' },
    'TLSv1.2 DNS:rsa-2048.test, DNS:www.rsa-2048.test',
  ],
  [
    'ECDSA only',
    { ...TLS_1_2, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', servername: 'p-256.test' },
    'TLSv1.2 DNS:p-256.test, DNS:www.p-256.test',
  ],
  [
    'RSA only, of a name with ECDSA',
    { ...TLS_1_2, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', servername: 'p-256.test' },
    'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
  ],
  ['no server name', {}, 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'],
] as const)('a client with %s', async (_, options, expected) => {
  expect(await shown(options)).toBe(expected);
});
