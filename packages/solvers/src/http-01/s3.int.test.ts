import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { presentedChallenge } from '@certbus/acme';
import { requirePart, type S3Server, startS3Server } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHttp01S3Solver } from './s3.ts';

const part = requirePart('s3');
const { signal } = new AbortController();
const challengeFor = (token: string) =>
  presentedChallenge('127.0.0.1', { type: 'http-01', url: '', status: 'pending', token }, 'thumbprint');

describe.skipIf(part.skip)(part.title('http-01 from an S3 bucket'), () => {
  let s3: S3Server;
  let port: number;
  /** The web server of the names, which serves what is in the bucket. */
  const web = createServer(({ url = '' }, response) => {
    const file = join(s3.folder, url);
    if (!existsSync(file)) return void response.writeHead(404).end();
    response.end(readFileSync(file));
  });
  beforeAll(async () => {
    s3 = await startS3Server();
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    ({ port } = web.address() as AddressInfo);
  });
  afterAll(async () => {
    web.closeAllConnections();
    web.close();
    await s3?.stop();
  });

  const open = (options: Partial<Parameters<typeof createHttp01S3Solver>[0]> = {}) => {
    const { bucket, region, endpoint, credentials } = s3;
    return createHttp01S3Solver({ bucket, region, endpoint, credentials, port, timeoutMs: 1000, ...options });
  };

  test('answers are put, seen through the web server, and taken away, twice if need be', async () => {
    const solver = open();
    const challenges = ['one', 'two', 'three', 'four', 'five'].map(challengeFor);
    await solver.present(challenges, { signal });
    await solver.present(challenges, { signal });
    await solver.ready(challenges, { signal });
    expect(await (await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/one`)).text()).toBe(
      'one.thumbprint',
    );
    const [first, ...others] = challenges;
    await solver.cleanUp(first ? [first] : [], { signal });
    await expect(solver.ready(challenges, { signal })).rejects.toThrow(/HTTP 404.*the bucket certbus-test/);
    await solver.ready(others, { signal });
    await open().cleanUp(challenges, { signal });
    await solver.cleanUp(challenges, { signal });
    const folder = join(s3.folder, '.well-known', 'acme-challenge');
    expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([]);
  });

  test('wrong credentials, a bucket that is not there and a server that is not there are told apart, without the token', async () => {
    const { credentials } = s3;
    const cases = [
      [open({ credentials: { ...credentials, secretAccessKey: 'wrong' } }), /SignatureDoesNotMatch/],
      [open({ bucket: 'no-such-bucket' }), /no-such-bucket: NoSuchBucket/],
      [open({ endpoint: 'http://127.0.0.1:1' }), /could not be put into the bucket/],
    ] as const;
    for (const [solver, reason] of cases) {
      const failure = await solver.present([challengeFor('hidden-token')], { signal }).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'CERTBUS_ACME_SOLVER_FAILED', message: expect.stringMatching(reason) });
      expect(String(failure)).not.toContain('hidden-token');
    }
  });

  test('an abort ends the waiting', async () => {
    const stop = new AbortController();
    stop.abort(new Error('enough'));
    await expect(open().present([challengeFor('x')], { signal: stop.signal })).rejects.toThrow('enough');
  });
});
