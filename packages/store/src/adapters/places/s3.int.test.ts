import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { requirePart, type S3Server, startS3Server } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openArchivePlace } from '../../open.ts';
import { describePlace } from './places.builders.ts';
import { openS3 } from './s3.ts';

const part = requirePart('s3');

/** Passes requests on to S3, and answers "denied" where S3 says that an object is not there: as Amazon's does to those who cannot list the bucket. */
async function startDenyingGateway(endpoint: string): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const gateway = createServer((incoming, outgoing) => {
    const { url = '/', method, headers } = incoming;
    const passed = request(new URL(url, endpoint), { method, headers }, (response) => {
      const isHidden = response.statusCode === 404 && !url.includes('list-type');
      if (!isHidden) {
        outgoing.writeHead(response.statusCode ?? 500, response.headers);
        response.pipe(outgoing);
        return;
      }
      response.resume();
      outgoing.writeHead(403, { 'content-type': 'application/xml' });
      outgoing.end('<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>');
    });
    incoming.pipe(passed);
  }).listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  const stop = async () => {
    const closed = once(gateway, 'close');
    gateway.close();
    gateway.closeAllConnections();
    await closed;
  };
  return { port: (gateway.address() as AddressInfo).port, stop };
}

describe.skipIf(part.skip)(part.title('an archive in S3'), () => {
  let server: S3Server;
  let places = 0;
  beforeAll(async () => {
    server = await startS3Server();
  });
  afterAll(() => server?.stop());

  const open = (options: Partial<Parameters<typeof openS3>[0]> = {}) => {
    const { bucket, region, endpoint, credentials } = server;
    return openS3({ bucket, region, endpoint, credentials, ...options });
  };

  describePlace(async () => {
    places += 1;
    return open({ prefix: `place${places}` });
  });

  test('an object that is not there is told from a denied one by those who can list a prefix alone', async () => {
    const { port, stop } = await startDenyingGateway(server.endpoint);
    const place = open({ endpoint: `http://127.0.0.1:${port}`, prefix: 'denied' });
    expect(await place.get('none')).toBeUndefined();
    await place.update('made', () => Buffer.from('x'));
    expect(Buffer.from((await place.get('made')) ?? []).toString()).toBe('x');
    await place.close();
    await stop();
  });

  test('updates that race lose nobody', async () => {
    places += 1;
    const prefix = `place${places}`;
    const racers = Array.from({ length: 3 }, () => open({ prefix }));
    const add = (current: Uint8Array | undefined) => Buffer.from(`${current ? Buffer.from(current) : ''}x`);
    await Promise.all(racers.map((place) => place.update('count', add)));
    expect(Buffer.from((await racers[0]?.get('count')) ?? []).toString()).toBe('xxx');
    await Promise.all(racers.map((place) => place.close()));
  });

  test('what another program put into the bucket is read', async () => {
    const place = open();
    writeFileSync(join(server.folder, 'by-hand'), 'hello');
    expect(Buffer.from((await place.get('by-hand')) ?? []).toString()).toBe('hello');
    await place.put('ours', Buffer.from('x'));
    expect(readdirSync(server.folder)).toContain('ours');
    await place.close();
  });

  test('wrong credentials, a bucket that is not there and a server that is not there are told apart', async () => {
    const { credentials, region, bucket } = server;
    const cases = [
      [open({ credentials: { ...credentials, secretAccessKey: 'wrong' } }), 'CERTBUS_STORE_ACCESS_DENIED'],
      [open({ credentials: { accessKeyId: 'nobody', secretAccessKey: 'x' } }), 'CERTBUS_STORE_ACCESS_DENIED'],
      [open({ bucket: 'no-such-bucket' }), 'CERTBUS_STORE_NOT_FOUND'],
      [openS3({ bucket, region, credentials, endpoint: 'http://127.0.0.1:1' }), 'CERTBUS_STORE_UNREACHABLE'],
    ] as const;
    for (const [place, code] of cases) {
      await expect(place.get('a')).rejects.toMatchObject({ code });
      await expect(place.put('a', Buffer.from('x'))).rejects.toMatchObject({ code });
      await place.close();
    }
  });

  test('an address opens the same place', async () => {
    const { bucket, region, endpoint, credentials } = server;
    const address = `s3://${bucket}/by/address?region=${region}&endpoint=${encodeURIComponent(endpoint)}`;
    const place = await openArchivePlace(address, { credentials });
    await place.put('a', Buffer.from('x'));
    const other = open({ prefix: 'by/address' });
    expect(await other.get('a')).toBeDefined();
    await Promise.all([place.close(), other.close()]);
  });
});
