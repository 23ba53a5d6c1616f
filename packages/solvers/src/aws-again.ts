/** Credentials and clocks that were right a while ago: what AWS refuses for them is sent again, with new ones. */

/**
 * Makes a client of the SDK read `~/.aws` again wherever it looks for credentials: a program that renews those of a file does so while others run. The SDK hands
 * it on to what reads these files, which would read each once in a process.
 */
export const FILES_AGAIN = { ignoreCache: true };

/** What is needed of a client. */
interface Client {
  readonly config: { credentials(options: { readonly forceRefresh: boolean }): Promise<unknown> };
}

const EXPIRED = /^ExpiredToken/;
const SIGNATURE = /^InvalidSignature|^SignatureDoesNotMatch$|^RequestTimeTooSkewed$/;

/** What AWS says of a signature that is too old, or of tomorrow. */
const SKEWED = /signature (?:has )?expired|signature not yet current/i;

/**
 * Whether the SDK has set its clock by the answer that refused a request. It marks no answer by which the clock of this machine is right again, as where that
 * was corrected since the last request.
 */
function isClockSet(error: Error): boolean {
  const { name, message } = error;
  if (!SIGNATURE.test(name)) return false;
  const { clockSkewCorrected = false } =
    (error as { readonly $metadata?: { readonly clockSkewCorrected?: boolean } }).$metadata ?? {};
  return clockSkewCorrected || name === 'RequestTimeTooSkewed' || SKEWED.test(message);
}

/**
 * Whether a request that was refused, before anything was done, is worth sending again: it was signed with credentials that have expired, which are loaded
 * again here, or by a wrong clock, which the SDK has set by the answer. Once is enough.
 */
export async function isWorthAgain({ config }: Client, error: unknown): Promise<boolean> {
  if (!(error instanceof Error)) return false;
  if (!EXPIRED.test(error.name)) return isClockSet(error);
  return config.credentials({ forceRefresh: true }).then(
    () => true,
    () => false,
  );
}
