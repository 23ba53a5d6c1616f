/** http-01 answered from the objects of an S3 bucket. */
import { DeleteObjectCommand, PutObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { PresentedChallenge, Solver } from '@certbus/acme';
import { AcmeError } from '@certbus/acme';
import { mapFew } from '@certbus/acme/solver-kit';
import { FILES_AGAIN, isWorthAgain } from '../aws-again.ts';
import { describeExpiredLogin } from '../aws-login.ts';
import type { Outgoing } from '../definition/outgoing.ts';
import { parseApiUrl } from '../dns/api-url.ts';
import { awaitHttp01, type Http01ProbeOptions } from '../probes/http-01.ts';

/** Which bucket to write to, and how to look at the answers. */
export interface Http01S3Options extends Http01ProbeOptions {
  readonly bucket: string;
  /** Default: the environment's. */
  readonly region?: string | undefined;
  /** For another S3 than Amazon's; addresses buckets by path. */
  readonly endpoint?: string | undefined;
  /** Default: what the AWS SDK finds (environment, profile, role). */
  readonly credentials?: NonNullable<S3ClientConfig['credentials']> | undefined;
  /** The way to S3 through a proxy. Default: the direct one. Answers are looked at directly, as a CA does. */
  readonly outgoing?: Outgoing | undefined;
}

const CONNECTION_TIMEOUT_MS = 10_000;

/** The name of an error of S3; what went wrong with a proxy in whole, for the SDK's messages can have the key, and so the token. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown';
  return 'code' in cause && /PROXY/.test(String(cause.code)) ? cause.message : cause.name;
}

function failed(bucket: string, act: string, cause: unknown): AcmeError {
  const why = describeExpiredLogin(cause) ?? `${reasonOf(cause)}. Check bucket, region, credentials and network`;
  const message = `An answer to http-01 could not be ${act} the bucket ${bucket}: ${why}.`;
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message, { cause });
}

/**
 * Answers http-01 from an S3 bucket, whose objects `.well-known/acme-challenge/TOKEN` the web servers of the names must serve or redirect
 * to. Ready when each address of each name leads there. Operations reject with `CERTBUS_ACME_SOLVER_FAILED`. Needs
 * `s3:PutObject` and `s3:DeleteObject` on `.well-known/acme-challenge/*`.
 */
export function createHttp01S3Solver(options: Http01S3Options): Solver {
  const { bucket, region, endpoint, credentials, outgoing, ...probe } = options;
  if (endpoint !== undefined) parseApiUrl(endpoint);
  const client = new S3Client({
    ...FILES_AGAIN,
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    ...(credentials ? { credentials } : {}),
    // Whole objects are put and deleted: both can be repeated as they are.
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: 30_000,
      throwOnRequestTimeout: true,
      ...outgoing?.agents({ timeoutMs: CONNECTION_TIMEOUT_MS }),
    },
  });
  const objectOf = ({ token }: PresentedChallenge) => ({ Bucket: bucket, Key: `.well-known/acme-challenge/${token}` });

  async function put(challenge: PresentedChallenge, signal: AbortSignal): Promise<void> {
    const object = {
      ...objectOf(challenge),
      Body: challenge.keyAuthorization,
      ContentType: 'application/octet-stream',
      CacheControl: 'no-store',
    };
    await client.send(new PutObjectCommand(object), { abortSignal: signal });
  }

  async function remove(challenge: PresentedChallenge, signal: AbortSignal): Promise<void> {
    await client.send(new DeleteObjectCommand(objectOf(challenge)), { abortSignal: signal });
  }

  async function again(change: typeof put, challenge: PresentedChallenge, signal: AbortSignal): Promise<void> {
    try {
      await change(challenge, signal);
    } catch (error) {
      if (!(await isWorthAgain(client, error))) throw error;
      await change(challenge, signal);
    }
  }

  async function each(
    act: string,
    change: typeof put,
    challenges: readonly PresentedChallenge[],
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    try {
      await mapFew(challenges, (challenge) => again(change, challenge, signal));
    } catch (cause) {
      signal.throwIfAborted();
      throw failed(bucket, act, cause);
    }
  }

  return {
    challenges: ['http-01'],
    present: (challenges, { signal }) => each('put into', put, challenges, signal),
    ready: awaitHttp01(`Its web server must serve or redirect to the objects of the bucket ${bucket}.`, probe),
    cleanUp: (challenges, { signal }) => each('deleted from', remove, challenges, signal),
  };
}
