/** Tests of answers of S3 that no double of it gives. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { openS3 } from './s3.ts';

type Answer = readonly [status: number, body: string];

/** An error as S3 writes it. */
const refusal = (status: number, code: string, message = 'said'): Answer => [
  status,
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
];

/** A bucket that gives these answers, one after the other, and the methods that it was asked with. */
async function startBucket(answers: readonly Answer[]) {
  const methods: string[] = [];
  const server = createServer((request, response) => {
    void buffer(request).then(() => {
      const [status, body] = answers[methods.length] ?? [500, ''];
      methods.push(request.method ?? '');
      response.writeHead(status, { etag: '"1"', 'content-length': Buffer.byteLength(body) }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'AKIA', secretAccessKey: 'secret' };
  const place = openS3({ bucket: 'bucket', region: 'eu-central-1', endpoint, credentials });
  return {
    place,
    methods,
    async [Symbol.asyncDispose]() {
      await place.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

test('an object that is removed while it is updated is made again', async () => {
  const missing = refusal(404, 'NoSuchKey');
  await using bucket = await startBucket([[200, 'old'], missing, missing, [200, '']]);
  const seen: (string | undefined)[] = [];
  await bucket.place.update('pointer', (current) => {
    seen.push(current && Buffer.from(current).toString());
    return Buffer.from('new');
  });
  expect(seen).toEqual(['old', undefined]);
  expect(bucket.methods).toEqual(['GET', 'PUT', 'GET', 'PUT']);
});

test('an object that a rule of its bucket moved to Glacier is named as that', async () => {
  const moved = refusal(403, 'InvalidObjectState', 'The operation is not valid for the object storage class');
  await using bucket = await startBucket([moved]);
  await expect(bucket.place.get('pointer')).rejects.toMatchObject({
    code: 'CERTBUS_STORE_UNREACHABLE',
    message:
      'The archive at s3://bucket/pointer is in a storage class from which it has to be restored first: restore it, and correct the lifecycle rules of its bucket.',
  });
});

test('what S3 refuses for a reason that is not known was not out of reach', async () => {
  await using bucket = await startBucket([refusal(400, 'EntityTooLarge', 'Too large.')]);
  await expect(bucket.place.put('pointer', Buffer.from('x'))).rejects.toMatchObject({
    code: 'CERTBUS_STORE_UNREACHABLE',
    message: 'The archive at s3://bucket/pointer refuses the request: Too large.',
  });
});
