/** An S3 server, built and started. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildGoTools } from './go-programs.ts';
import { lockOf } from './locks.ts';
import { cacheFolder, freePort, hasProgram, temporaryFolder } from './machine.ts';
import { startService } from './process.ts';

/** A real S3 server over a directory, on loopback. */
export interface S3Server {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Buckets that exist. */
  readonly bucket: string;
  /** The directory that holds the bucket's objects. */
  readonly folder: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const LOCK = 'versitygw';
const BUCKET = 'certbus-test';

/** Why this machine cannot have an S3 server; `undefined` when it can. */
export function missingS3Server(): string | undefined {
  return hasProgram('go') || existsSync(cacheFolder(lockOf(LOCK).cacheName))
    ? undefined
    : 'the S3 server versitygw is built with Go';
}

/** Finds or installs versitygw and returns its path. */
export async function findS3Server(): Promise<string> {
  return join(await buildGoTools(LOCK), 'versitygw');
}

/** Starts versitygw with keys of its own and one empty bucket, installing it first where it was never used. */
export async function startS3Server(): Promise<S3Server> {
  const program = await findS3Server();
  const temporary = temporaryFolder();
  const folder = join(temporary.path, BUCKET);
  await mkdir(folder);
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const draw = (length: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(length))).toString('hex');
  const credentials = { accessKeyId: draw(10), secretAccessKey: draw(20) };
  const region = 'eu-central-1';
  const args = ['--port', `127.0.0.1:${port}`, '--region', region, 'posix', temporary.path];
  const { pid, stop } = await startService(program, args, {
    env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    // Any answer will do: it refuses what is not signed.
    isReady: async () => (await fetch(endpoint)).status > 0,
    folder: temporary,
  });
  return { endpoint, region, credentials, bucket: BUCKET, folder, pid, stop };
}
