/**
 * A process of its own: the CA that a prepared fleet names, at a host that does not exist. It is the strict ACME server, which believes every
 * challenge, behind a proxy that leads there.
 */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, createServer as createHttpsServer, type RequestOptions, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { letsEncryptLimits, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { createIssuer, createKeys, createLeaf, privateKeyPem } from 'certbus-services';

/** What the CA is like. */
export interface FleetCaOptions {
  /** How far its clock is ahead of the machine's, milliseconds. */
  readonly aheadMs: number;
  /** What it answers about every certificate, ISO 8601. Without, it does not say when it wants certificates renewed. */
  readonly window?: { readonly start: string; readonly end: string };
  /** Whether it keeps Let's Encrypt's limits, as one that issued the fleet's certificates. Default false: none. */
  readonly isLimited?: boolean;
}

/** What it saw from its beginning: sent for each number of milliseconds that it is told to put its clock forward. */
export interface FleetCaReport {
  readonly orders: number;
  readonly requests: number;
  /** Requests that were answered with 429 or 503. */
  readonly refused: number;
}

/** Where it is. */
export interface FleetCa {
  /** Address of the proxy that leads to it. */
  readonly proxy: string;
  /** PEM by which it is trusted. */
  readonly roots: string;
  /** `ADDRESS:PORT` of a DNS server at which every name is on this machine. */
  readonly dns: string;
}

const HOST = 'ca.fleet.test';
/** As Let's Encrypt says. */
const ASK_AGAIN_S = '21600';
const isOfFleet = (name: string) => name.endsWith('.fleet.test');
const { aheadMs, window, isLimited = false } = JSON.parse(process.argv[2] ?? '') as FleetCaOptions;
const dns = await startDnsServer();
const acme = await startAcmeServer({
  now: () => new Date(Date.now() + aheadMs),
  validation: { alwaysValid: true },
  ...(isLimited ? { limits: { ...letsEncryptLimits, hadCertificate: (names) => names.every(isOfFleet) } } : {}),
});
const { port } = new URL(acme.directory);
const agent = new Agent({ keepAlive: true });

interface Answer {
  readonly status: number;
  readonly headers: object;
  readonly body: Buffer;
}

async function read(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Asks the server, which makes its addresses of the host that it is asked by. */
function ask(options: RequestOptions, body: Buffer): Promise<Answer> {
  const headers = { ...options.headers, host: HOST };
  const target = { host: '127.0.0.1', servername: 'localhost', port, agent, ca: acme.roots };
  return new Promise((resolve, reject) => {
    const call = request({ ...options, ...target, headers }, (answer) => {
      const { 'transfer-encoding': _, connection: __, ...rest } = answer.headers;
      read(answer).then((whole) => resolve({ status: answer.statusCode ?? 0, headers: rest, body: whole }), reject);
    });
    // A connection that was idle can be closed just when it is used again.
    call.on('error', (error) => (call.reusedSocket ? resolve(ask(options, body)) : reject(error))).end(body);
  });
}

/** The directory without the renewal information that this CA does not have. */
function withoutRenewalInfo(body: Buffer): Buffer {
  const { renewalInfo: _, ...directory } = JSON.parse(body.toString());
  return Buffer.from(JSON.stringify(directory));
}

const issuer = await createIssuer('Fleet Root');
const keys = await createKeys();
const leaf = await createLeaf({ issuer, names: [HOST], publicKey: keys.publicKey });

/** Answers as the server does, but for what it does not know of the fleet. */
async function answer(call: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = 'GET', url: path = '/', headers } = call;
  if (window && path.startsWith('/acme/renewal-info/')) {
    response.writeHead(200, { 'content-type': 'application/json', 'retry-after': ASK_AGAIN_S });
    response.end(JSON.stringify({ suggestedWindow: window }));
    return;
  }
  const { status, headers: answered, body: whole } = await ask({ method, path, headers }, await read(call));
  const body = path === '/directory' && !window ? withoutRenewalInfo(whole) : whole;
  response.writeHead(status, { ...answered, 'content-length': body.length }).end(body);
}

const identity = { key: await privateKeyPem(keys), cert: leaf.toString('pem') };
const front = createHttpsServer(identity, (call, response) => void answer(call, response));
const proxy = createHttpServer();
proxy.on('connect', (_, socket) => {
  socket.on('error', () => socket.destroy());
  socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
  front.emit('connection', socket);
});
await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
process.on('message', (ms: number) => {
  acme.clock.advance(ms);
  const refused = acme.requests.filter(({ status }) => status === 429 || status === 503).length;
  process.send?.({ orders: acme.orderCount, requests: acme.requests.length, refused } satisfies FleetCaReport);
});
process.on('disconnect', () => process.exit());
process.send?.({
  proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
  roots: issuer.certificate.toString('pem'),
  dns: dns.address,
} satisfies FleetCa);
