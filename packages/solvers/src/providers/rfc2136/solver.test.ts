import { createSocket } from 'node:dgram';
import { decode, encode } from 'dns-packet';
import { expect, onTestFinished, test } from 'vitest';
import { drawChallenge } from '../../conformance/subject.ts';
import { startDnsServer } from '../../dns/dns-server.builders.ts';
import { parseServer } from './exchange.ts';
import { createRfc2136Solver } from './solver.ts';
import { sign, type TsigKey, verify } from './tsig.ts';
import { buildUpdate } from './update.ts';

const NOW = new Date('2026-11-25T12:00:00Z');
const { signal } = new AbortController();
const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(32)));
const key: TsigKey = { name: 'key.test', algorithm: 'hmac-sha256', secret };

const update = () =>
  buildUpdate([{ action: 'add', name: '_acme-challenge.a.test', value: 'x' }], { id: 7, zone: 'a.test', ttlS: 30 });

/** A server that answers every update with what `answer` makes of its bytes. */
async function startServer(answer: (request: Buffer) => Buffer): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (request, peer) => socket.send(answer(request), peer.port, peer.address));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return `127.0.0.1:${socket.address().port}`;
}

const unsignedAnswer = (request: Buffer, rcode = 0) =>
  encode({ type: 'response', id: request.readUInt16BE(0), flags: (5 << 11) | rcode, questions: [] });

async function present(server: string): Promise<void> {
  const dns = await startDnsServer({ zones: ['a.test'] });
  onTestFinished(() => dns.stop());
  const solver = createRfc2136Solver({
    server,
    key: { name: key.name, secret: secret.toString('base64') },
    zone: 'a.test',
    resolver: [dns.address],
  });
  await solver.present([drawChallenge('a.test')], { signal });
}

test('an update adds and deletes exact values, of the classes that say so', () => {
  const message = buildUpdate(
    [
      { action: 'add', name: 'a.zone.test', value: 'new' },
      { action: 'remove', name: 'b.zone.test', value: 'old' },
    ],
    { id: 4711, zone: 'zone.test', ttlS: 30 },
  );
  const { id, opcode, questions, authorities = [] } = decode(message) as ReturnType<typeof decode> & { opcode: string };
  expect({ id, opcode, questions }).toEqual({
    id: 4711,
    opcode: 'UPDATE',
    questions: [{ name: 'zone.test', type: 'SOA', class: 'IN' }],
  });
  expect(authorities).toMatchObject([
    { name: 'a.zone.test', type: 'TXT', class: 'IN', ttl: 30, data: [Buffer.from('new')] },
    { name: 'b.zone.test', type: 'TXT', class: 'UNKNOWN_254', ttl: 0, data: [Buffer.from('old')] },
  ]);
});

test('an answer verifies only for its request, its key, its time and unchanged', () => {
  const request = sign(update(), key, NOW);
  const later = (seconds: number) => new Date(NOW.getTime() + 1000 * seconds);
  // An answer's MAC covers the request's; a request verifies against none.
  const asAnswer = { ...request, mac: Buffer.alloc(0) };
  const isGenuine = (message: Buffer, of = key, now = NOW) => verify(message, asAnswer, of, now)?.isGenuine;
  expect(isGenuine(request.message)).toBe(false);
  expect(isGenuine(request.message, { ...key, name: 'other.test' })).toBe(false);
  expect(isGenuine(request.message, key, later(3600))).toBe(false);
  expect(verify(unsignedAnswer(request.message), request, key, NOW)).toBeUndefined();
});

test('an answer that is not signed is not believed', async () => {
  await expect(present(await startServer((request) => unsignedAnswer(request)))).rejects.toThrow(/is not signed/);
});

test('an answer that is signed with another key is not believed', async () => {
  const other = { ...key, secret: Buffer.alloc(32) };
  const server = await startServer((request) => sign(unsignedAnswer(request), other, new Date()).message);
  await expect(present(server)).rejects.toThrow(/is not signed with key "key.test"/);
});

test('an answer that is no DNS message is told', async () => {
  const server = await startServer((request) => {
    const answer = Buffer.from(unsignedAnswer(request));
    answer.writeUInt16BE(900, 10);
    return answer;
  });
  await expect(present(server)).rejects.toThrow(/no usable answer/);
});

test.each([
  [1, /FORMERR/],
  [2, /SERVFAIL/],
  [4, /takes no updates.*NOTIMP/],
  [5, /is not permitted to update.*REFUSED/],
  [9, /not the primary server.*NOTAUTH/],
  [10, /NOTZONE/],
  [15, /code 15/],
])('code %i is told in words', async (rcode, words) => {
  await expect(present(await startServer((request) => unsignedAnswer(request, rcode)))).rejects.toThrow(words);
});

test('servers are hosts with or without a port', () => {
  expect(parseServer('ns1.example.com')).toEqual({ host: 'ns1.example.com', port: 53 });
  expect(parseServer('192.0.2.1:5353')).toEqual({ host: '192.0.2.1', port: 5353 });
  expect(parseServer('2001:db8::1')).toEqual({ host: '2001:db8::1', port: 53 });
  expect(parseServer('[2001:db8::1]:5353')).toEqual({ host: '2001:db8::1', port: 5353 });
  for (const text of ['', 'a b', 'a:b', 'a:70000', '[::1']) expect(() => parseServer(text)).toThrow(TypeError);
});

test('a secret that is no base64 is refused, and not told', () => {
  const create = () => createRfc2136Solver({ server: 'x', key: { name: 'k', secret: 'not base64!' } });
  expect(create).toThrow(/is not base64/);
  expect(create).not.toThrow(/not base64!/);
});
