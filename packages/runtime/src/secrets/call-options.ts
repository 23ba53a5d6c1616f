/** How AWS is asked for a secret: options of a client of its SDK, and of a request. */
import { FILES_AGAIN } from '@certbus/store';
import type { Outgoing } from '@certbus/store/outgoing';
import type { SecretReference } from './reference.ts';

const REQUEST_TIMEOUT_MS = 5_000;
const ATTEMPTS = 3;

/** How a secret is read. */
export interface ReadOptions {
  /** Names the secret in errors, such as `The manager key`. */
  readonly what: string;
  /** The way to AWS through a proxy. Default: the direct one. */
  readonly outgoing?: Pick<Outgoing, 'agents'> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How a client of AWS is made, and how a request is sent. */
export interface CallOptions {
  readonly client: {
    readonly region?: string;
    readonly endpoint?: string;
    readonly maxAttempts: number;
    readonly requestHandler: Readonly<Record<string, unknown>>;
  };
  readonly send: { readonly abortSignal?: AbortSignal };
}

/** The options for one reference. */
export const callOptions = ({ region, endpoint }: SecretReference, { outgoing, signal }: ReadOptions): CallOptions => ({
  client: {
    ...FILES_AGAIN,
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint } : {}),
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      socketTimeout: REQUEST_TIMEOUT_MS,
      ...outgoing?.agents({ timeoutMs: REQUEST_TIMEOUT_MS }),
    },
  },
  send: signal ? { abortSignal: signal } : {},
});
