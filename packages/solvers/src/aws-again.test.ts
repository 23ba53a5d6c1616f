/** Tests of credentials in a file that another program renews while a manager runs, and of a clock that is wrong. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { useCredentialsFile } from 'certbus-services/vitest';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { createHttp01S3Solver } from './http-01/s3.ts';
import { openAccount } from './providers/route53/account.ts';
import { challengeFor } from './providers/route53/solver.builders.ts';

let renew: ReturnType<typeof useCredentialsFile>;

beforeEach(() => {
  renew = useCredentialsFile();
});
afterEach(() => void vi.useRealTimers());

/** A service that answers this to who is taken, and to anyone else that. */
async function startService(
  isTaken: (request: IncomingMessage) => boolean,
  { found, refusal, date }: { readonly found: string; readonly refusal: string; readonly date?: () => Date },
): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    const [status, body] = isTaken(request) ? [200, found] : [403, refusal];
    response
      .writeHead(status, { 'content-type': 'text/xml', ...(date ? { date: date().toUTCString() } : {}) })
      .end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => server.closeAllConnections());
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const signedBy = (id: string, { headers }: IncomingMessage) =>
  headers.authorization?.includes(`Credential=${id}/`) ?? false;

const ZONES = `<ListHostedZonesResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZones><HostedZone><Id>/hostedzone/Z1</Id><Name>example.test.</Name><CallerReference>1</CallerReference></HostedZone></HostedZones><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesResponse>`;
const refusalOf = (code: string) =>
  `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${code}</Message></Error></ErrorResponse>`;
const { signal } = new AbortController();
const any = { zoneId: undefined, zones: ['*'] };

test('Route 53 is asked on with credentials that were renewed, and not with those that expired', async () => {
  let inForce = 'FIRST';
  const isTaken = (request: IncomingMessage) => signedBy(inForce, request);
  const endpoint = await startService(isTaken, { found: ZONES, refusal: refusalOf('ExpiredToken') });
  renew('FIRST');
  // Each time a list of its own.
  let hours = 0;
  const { findZone } = openAccount({ endpoint, now: () => new Date(++hours * 3_600_000) });
  expect(await findZone('www.example.test', any, signal)).toBe('/hostedzone/Z1');
  inForce = 'SECOND';
  await expect(findZone('www.example.test', any, signal)).rejects.toThrow('ExpiredToken');
  renew('SECOND');
  expect(await findZone('www.example.test', any, signal)).toBe('/hostedzone/Z1');
});

test('Route 53 is asked again where it sets the clock right', async () => {
  const now = new Date('2026-11-30T08:00:00Z');
  const isTaken = ({ headers }: IncomingMessage) => String(headers['x-amz-date']).startsWith('20261130T08');
  const answers = { found: ZONES, refusal: refusalOf('SignatureDoesNotMatch'), date: () => now };
  const endpoint = await startService(isTaken, answers);
  renew('FIRST');
  vi.useFakeTimers({ toFake: ['Date'], now: now.getTime() - 86_400_000 });
  const { findZone } = openAccount({ endpoint, now: () => now });
  expect(await findZone('www.example.test', any, signal)).toBe('/hostedzone/Z1');
});

test('a bucket for answers is written with credentials that were renewed', async () => {
  let inForce = 'FIRST';
  const refusal = '<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>';
  const endpoint = await startService((request) => signedBy(inForce, request), { found: '', refusal });
  renew('FIRST');
  const solver = createHttp01S3Solver({ bucket: 'bucket', region: 'eu-central-1', endpoint });
  const present = () => solver.present([challengeFor('www.example.test', 'token')], { signal });
  await present();
  inForce = 'SECOND';
  await expect(present()).rejects.toThrow('ExpiredToken');
  renew('SECOND');
  expect(await present()).toBeUndefined();
});

test('what is sent again is decided as the store decides it, on which this package does not depend', () => {
  const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8');
  expect(read('./aws-again.ts')).toBe(read('../../store/src/aws-again.ts'));
});
