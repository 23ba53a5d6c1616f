/**
 * A reverse proxy in one file, on Node alone: TLS with the certificates of a bus, HTTP/2, HTTP/1.1 and WebSocket, in front of several
 * HTTP servers. Port 80 answers HTTP-01 and redirects the rest.
 *
 *     UPSTREAMS='{"a.example": ["http://10.0.0.1:3000", "http://10.0.0.2:3000"]}' node reverse-proxy.mjs
 */
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { pipeline } from 'node:stream';
import { connect } from '@certbus/client';

const {
  CERTBUS_BUS = 'sqlite:./bus.db',
  PORT = '443',
  HTTP_PORT = '80',
  UPSTREAMS = '{}',
  DRAIN_MS = '10000',
} = process.env;
const upstreams = new Map(Object.entries(JSON.parse(UPSTREAMS)));
const UPSTREAM_TIMEOUT_MS = 60_000;

/** What concerns one connection only (RFC 9110 section 7.6.1), and what this server answers itself. */
const HOP_BY_HOP = new Set(
  'connection expect http2-settings keep-alive proxy-connection te trailer transfer-encoding upgrade'.split(' '),
);

/** The name that a request is for. */
const hostOf = ({ headers }) => /^([^:]*)(:\d+)?$/.exec(headers[':authority'] ?? headers.host ?? '')?.[1].toLowerCase();

/** The servers of a name, another one first each time; `undefined` for a name that is not served here. */
function upstreamsFor(host) {
  const all = upstreams.get(host);
  if (all) all.push(all.shift());
  return all && [...all];
}

function endToEnd(headers) {
  const named = new Set((headers.connection ?? '').toLowerCase().split(/[\s,]+/));
  const stays = ([name]) => !name.startsWith(':') && !HOP_BY_HOP.has(name) && !named.has(name);
  return Object.fromEntries(Object.entries(headers).filter(stays));
}

const hasBody = ({ headers, stream }) =>
  'content-length' in headers || 'transfer-encoding' in headers || stream?.endAfterHeaders === false;

/** The headers for an upstream. What a client says of its own address counts for nothing. */
function headersFor(request) {
  const headers = {
    ...endToEnd(request.headers),
    host: hostOf(request),
    // Of a client that has gone there is no address any more.
    'x-forwarded-for': (request.socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, ''),
    'x-forwarded-host': hostOf(request),
    'x-forwarded-proto': 'https',
  };
  // Without either, what is in the body would be the next request.
  if (hasBody(request) && !headers['content-length']) headers['transfer-encoding'] = 'chunked';
  return headers;
}

/** Passes a request on to the first server that answers; one with a body is sent once. */
function forward(request, response, [upstream, ...others], headers = headersFor(request)) {
  const { method, url: path } = request;
  const call = http.request(upstream, { method, path, headers, timeout: UPSTREAM_TIMEOUT_MS });
  const stop = () => call.destroy();
  response.on('close', stop);
  call.on('timeout', stop);
  call.on('response', (answer) => {
    const isStatus = answer.statusCode >= 200 && answer.statusCode <= 599;
    response.writeHead(isStatus ? answer.statusCode : 502, endToEnd(answer.headers));
    // An answer that breaks off is broken off here as well, so that nobody takes it for a whole one.
    pipeline(answer, response, (error) => error && (response.stream ?? response).destroy());
  });
  call.on('error', () => {
    response.off('close', stop);
    // The one of HTTP/2 does not have it itself.
    if (response.headersSent || (response.stream ?? response).destroyed) return;
    if (others.length > 0 && !hasBody(request)) forward(request, response, others, headers);
    else response.writeHead(502).end('No server answered.\n');
  });
  if (hasBody(request)) request.pipe(call);
  else call.end();
}

function answer(request, response) {
  const servers = upstreamsFor(hostOf(request));
  if (!servers) response.writeHead(421).end('This name is not served here.\n');
  else if (!request.url.startsWith('/')) response.writeHead(400).end();
  else forward(request, response, servers);
}

/** Joins a WebSocket to one of the servers. */
function join(request, socket, head) {
  // From here on the socket is nobody else's: an error that is not listened to ends the process.
  socket.on('error', () => socket.destroy());
  const refuse = (status) => socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`);
  const [upstream] = upstreamsFor(hostOf(request)) ?? [];
  if (!upstream) return refuse('421 Misdirected Request');
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') return refuse('400 Bad Request');
  const headers = { ...headersFor(request), connection: 'upgrade', upgrade: 'websocket' };
  const call = http.request(upstream, { path: request.url, headers, timeout: UPSTREAM_TIMEOUT_MS });
  socket.on('close', () => call.destroy());
  call.on('timeout', () => call.destroy());
  call.on('error', () => refuse('502 Bad Gateway'));
  call.on('response', (response) => refuse(`${response.statusCode} ${response.statusMessage}`));
  call.on('upgrade', ({ rawHeaders }, upstreamSocket, upstreamHead) => {
    const lines = rawHeaders.map((text, n) => text + (n % 2 ? '\r\n' : ': '));
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
    upstreamSocket.setTimeout(0);
    upstreamSocket.unshift(upstreamHead);
    socket.unshift(head);
    upstreamSocket.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => upstreamSocket.destroy());
    socket.pipe(upstreamSocket).pipe(socket);
  });
  call.end();
}

const certbus = await connect({ bus: CERTBUS_BUS, identity: './loadbalancer.key', trust: './bus.pub' });
certbus.on('alarm', (error) => console.error(error.message));

const proxy = http2.createSecureServer({ ...certbus.tlsOptions(), allowHTTP1: true }, answer);
certbus.attach(proxy).on('upgrade', join).listen(PORT);

const plain = http.createServer((request, response) => {
  if (certbus.acmeHttpHandler(request, response)) return;
  const host = hostOf(request);
  if (!upstreams.has(host) || !request.url.startsWith('/')) return response.writeHead(404).end();
  response.writeHead(308, { location: `https://${host}${PORT === '443' ? '' : `:${PORT}`}${request.url}` }).end();
});
plain.listen(HTTP_PORT);

const connections = new Set();
const sessions = new Set();
const watch = (server, event, set) => server.on(event, (each) => set.add(each.once('close', () => set.delete(each))));
watch(proxy, 'session', sessions);
for (const server of [proxy, plain]) watch(server, 'connection', connections);

/** Takes no more connections, lets those that are open finish what they are at, and ends. */
async function drain() {
  const closed = [proxy, plain].map((server) => once(server, 'close'));
  proxy.close();
  plain.close();
  for (const session of sessions) session.close();
  const idle = setInterval(() => {
    for (const server of [proxy, plain]) server.closeIdleConnections();
  }, 50);
  const cut = setTimeout(() => {
    for (const connection of connections) connection.destroy();
  }, Number(DRAIN_MS));
  await Promise.all(closed);
  clearInterval(idle);
  clearTimeout(cut);
  await certbus.close();
}
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void drain());
