import type { Readable } from 'node:stream';
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { type ArchivePlace, type GetOptions, MAX_OBJECT_BYTES, type PlaceOptions } from '../../archive/place.ts';
import { checkKey, checkSize, wrapPlaceError } from '../../archive/place-errors.ts';
import { StoreError } from '../../errors.ts';

const REQUEST_TIMEOUT_MS = 60_000;
const UPDATE_ATTEMPTS = 5;
/** What the service answers to a condition that does not hold, or that another request raced. */
const LOST = new Set(['PreconditionFailed', 'ConditionalRequestConflict']);

export interface S3Options {
  readonly bucket: string;
  /** What every key begins with; default nothing. */
  readonly prefix?: string | undefined;
  /** Default: the environment's. */
  readonly region?: string | undefined;
  /** For another S3 than Amazon's; addresses buckets by path. */
  readonly endpoint?: string | undefined;
  /** Default: the SDK's chain of environment, profile and role. */
  readonly credentials?: NonNullable<S3ClientConfig['credentials']> | undefined;
}

const send = ({ signal }: PlaceOptions) => (signal ? { abortSignal: signal } : {});

/** Archives and snapshots in an S3 bucket, which must exist. */
export function openS3({ bucket, prefix, region, endpoint, credentials }: S3Options): ArchivePlace {
  const client = new S3Client({
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    ...(credentials ? { credentials } : {}),
    // Puts and gets of whole objects can be repeated as they are.
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: 10_000,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      socketTimeout: REQUEST_TIMEOUT_MS,
    },
  });
  const nameOf = (key: string): { Bucket: string; Key: string } => {
    checkKey(key);
    return { Bucket: bucket, Key: prefix ? `${prefix}/${key}` : key };
  };

  async function find(key: string, options: GetOptions): Promise<{ bytes: Uint8Array; tag: string } | undefined> {
    const { maxBytes = MAX_OBJECT_BYTES } = options;
    let found: GetObjectCommandOutput;
    try {
      found = await client.send(new GetObjectCommand(nameOf(key)), send(options));
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
    try {
      checkSize(key, found.ContentLength, maxBytes);
    } catch (error) {
      // Otherwise the connection is held until all of it has come.
      (found.Body as Readable | undefined)?.destroy();
      throw error;
    }
    return { bytes: (await found.Body?.transformToByteArray()) ?? new Uint8Array(), tag: found.ETag ?? '' };
  }

  const run = async <T>(key: string, { signal }: PlaceOptions, work: () => Promise<T>): Promise<T> => {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw wrapPlaceError(`s3://${bucket}/${nameOf(key).Key}`, error);
    }
  };

  /** Whether the change was written, or none was wanted; false where another writer came between. */
  async function tryUpdate(
    key: string,
    change: (current: Uint8Array | undefined) => Uint8Array | undefined,
    options: PlaceOptions,
  ): Promise<boolean> {
    const current = await find(key, options);
    const next = change(current?.bytes);
    if (!next) return true;
    const condition = current ? { IfMatch: current.tag } : { IfNoneMatch: '*' };
    try {
      await client.send(new PutObjectCommand({ ...nameOf(key), Body: next, ...condition }), send(options));
      return true;
    } catch (error) {
      if (error instanceof Error && LOST.has(error.name)) return false;
      throw error;
    }
  }

  return {
    get: (key, options = {}) => run(key, options, async () => (await find(key, options))?.bytes),
    put: (key, bytes, options = {}) =>
      run(key, options, async () => {
        await client.send(new PutObjectCommand({ ...nameOf(key), Body: bytes }), send(options));
      }),
    update: (key, change, options = {}) =>
      run(key, options, async () => {
        for (let attempt = 1; attempt <= UPDATE_ATTEMPTS; attempt += 1)
          if (await tryUpdate(key, change, options)) return;
        throw new StoreError('CERTBUS_STORE_THROTTLED', `Others keep writing to ${key} of the archive. Try again.`);
      }),
    async close() {
      client.destroy();
    },
  };
}
