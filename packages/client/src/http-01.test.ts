import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { answerHttp01 } from './http-01.ts';

const TOKEN = '/.well-known/acme-challenge/token';

/** Asks for a path; counts how often the client's state is looked at. */
function ask(url: string, method = 'GET') {
  let reads = 0;
  const response = { writeHead: () => response, end: () => response } as unknown as ServerResponse;
  const isAnswered = answerHttp01({ url, method } as IncomingMessage, response, () => {
    reads += 1;
    return 'token.thumbprint';
  });
  return { reads, isAnswered };
}

test.each([
  ['/', 'GET'],
  ['/index.html?x=/.well-known/acme-challenge/token', 'GET'],
  ['/.well-known/acme-challenge/', 'GET'],
  ['/.well-known/acme-challenge/a.b', 'GET'],
  [`/.well-known/acme-challenge/${'x'.repeat(257)}`, 'GET'],
  [`/x${TOKEN}`, 'GET'],
  [TOKEN, 'POST'],
  [TOKEN, 'HEAD'],
])('%s by %s is not a challenge, and nothing is looked up for it', (url, method) => {
  expect(ask(url, method)).toEqual({ reads: 0, isAnswered: false });
});

test('a challenge is looked up once', () => {
  expect(ask(TOKEN)).toEqual({ reads: 1, isAnswered: true });
  expect(ask(`${TOKEN}?x`)).toEqual({ reads: 1, isAnswered: true });
});
