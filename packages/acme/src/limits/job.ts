/** What bounds the requests of one job. */
export interface Job {
  /** Ends every request and wait of the job. */
  readonly signal: AbortSignal;
  /**
   * Rejects at once with `CERTBUS_ACME_DEADLINE` where the wait would pass the job's deadline; its `notBefore` is the wait's end.
   * `why` says in the message what is waited for. Default: the CA asks to come back.
   */
  sleep(ms: number, why?: string): Promise<void>;
  /** Throws what `sleep` would reject with at once, without waiting. */
  check(ms: number, why?: string): void;
}
