/** Archives and snapshots in an S3 bucket. */
import type { Readable } from 'node:stream';
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { type ArchivePlace, type GetOptions, MAX_OBJECT_BYTES, type PlaceOptions } from '../../archive/place.ts';
import { checkKey, checkSize, wrapPlaceError } from '../../archive/place-errors.ts';
import { FILES_AGAIN, isWorthAgain } from '../../aws-again.ts';
import { checkEndpoint } from '../../endpoint.ts';
import { StoreError } from '../../errors.ts';
import type { Outgoing } from '../../outgoing/outgoing.ts';

const CONNECTION_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
const UPDATE_ATTEMPTS = 5;
const DENIED = 'AccessDenied';
/** What the service answers to a condition that does not hold, that another request raced, or whose object was removed meanwhile. */
const LOST = new Set(['PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchKey']);

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
  /** The way to S3 through a proxy, from `createOutgoing` of `@certbus/store/outgoing`. Default: the direct one. */
  readonly outgoing?: Pick<Outgoing, 'agents'> | undefined;
}

/** A bucket with the client that reaches it. */
interface Bucket {
  readonly client: S3Client;
  readonly name: string;
  readonly prefix: string | undefined;
}

const requestOptions = ({ signal }: PlaceOptions) => (signal ? { abortSignal: signal } : {});

function createClient({ region, endpoint, credentials, outgoing }: S3Options): S3Client {
  checkEndpoint(endpoint);
  return new S3Client({
    ...FILES_AGAIN,
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    ...(credentials ? { credentials } : {}),
    // Puts and gets of whole objects can be repeated as they are.
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      socketTimeout: REQUEST_TIMEOUT_MS,
      ...outgoing?.agents({ timeoutMs: CONNECTION_TIMEOUT_MS }),
    },
  });
}

function objectAt({ name, prefix }: Bucket, key: string): { Bucket: string; Key: string } {
  checkKey(key);
  return { Bucket: name, Key: prefix ? `${prefix}/${key}` : key };
}

/**
 * Whether an object is not there, where S3 answers "denied" to its reader: it says "not there" only to those who can list the whole bucket, and
 * the policies of `createPolicies` let an archive's users list its prefix alone. False where listing is denied as well.
 */
async function isMissing(bucket: Bucket, key: string, options: PlaceOptions): Promise<boolean> {
  const { Bucket: name, Key: prefix } = objectAt(bucket, key);
  const request = new ListObjectsV2Command({ Bucket: name, Prefix: prefix, MaxKeys: 1 });
  try {
    const { Contents = [] } = await bucket.client.send(request, requestOptions(options));
    return !Contents.some(({ Key }) => Key === prefix);
  } catch (error) {
    if (error instanceof Error && error.name === DENIED) return false;
    throw error;
  }
}

async function find(
  bucket: Bucket,
  key: string,
  options: GetOptions,
): Promise<{ bytes: Uint8Array; tag: string } | undefined> {
  const { maxBytes = MAX_OBJECT_BYTES } = options;
  let found: GetObjectCommandOutput;
  try {
    found = await bucket.client.send(new GetObjectCommand(objectAt(bucket, key)), requestOptions(options));
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined;
    if (error instanceof Error && error.name === DENIED && (await isMissing(bucket, key, options))) return undefined;
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

async function put(bucket: Bucket, key: string, bytes: Uint8Array, options: PlaceOptions): Promise<void> {
  const request = new PutObjectCommand({ ...objectAt(bucket, key), Body: bytes });
  await bucket.client.send(request, requestOptions(options));
}

type Change = (current: Uint8Array | undefined) => Uint8Array | undefined;

/** Whether the change was written, or none was wanted; false where another writer came between. */
async function tryUpdate(bucket: Bucket, key: string, change: Change, options: PlaceOptions): Promise<boolean> {
  const current = await find(bucket, key, options);
  const next = change(current?.bytes);
  if (!next) return true;
  const condition = current ? { IfMatch: current.tag } : { IfNoneMatch: '*' };
  const request = new PutObjectCommand({ ...objectAt(bucket, key), Body: next, ...condition });
  try {
    await bucket.client.send(request, requestOptions(options));
    return true;
  } catch (error) {
    if (error instanceof Error && LOST.has(error.name)) return false;
    throw error;
  }
}

async function update(bucket: Bucket, key: string, change: Change, options: PlaceOptions): Promise<void> {
  for (let attempt = 1; attempt <= UPDATE_ATTEMPTS; attempt += 1)
    if (await tryUpdate(bucket, key, change, options)) return;
  throw new StoreError('CERTBUS_STORE_THROTTLED', `Others keep writing to ${key} of the archive. Try again.`);
}

async function again<T>({ client }: Bucket, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (await isWorthAgain(client, error)) return work();
    throw error;
  }
}

/** Does something with an object; rejects with the signal's reason or a `StoreError`. */
async function run<T>(bucket: Bucket, key: string, { signal }: PlaceOptions, work: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted();
  try {
    return await again(bucket, work);
  } catch (error) {
    signal?.throwIfAborted();
    throw wrapPlaceError(`s3://${bucket.name}/${objectAt(bucket, key).Key}`, error);
  }
}

/** Opens the place of archives and snapshots in an S3 bucket, which must exist. */
export function openS3(options: S3Options): ArchivePlace {
  const bucket: Bucket = { client: createClient(options), name: options.bucket, prefix: options.prefix };
  return {
    get: (key, own = {}) => run(bucket, key, own, async () => (await find(bucket, key, own))?.bytes),
    put: (key, bytes, own = {}) => run(bucket, key, own, () => put(bucket, key, bytes, own)),
    update: (key, change, own = {}) => run(bucket, key, own, () => update(bucket, key, change, own)),
    async close() {
      bucket.client.destroy();
    },
  };
}
