import type { Acme, Session } from './acme.ts';

const FIRST_MS = 100;
const FACTOR = 1.6;
const LONGEST_MS = 5000;

/** Wait before poll number `attempt` (from 0), without what the CA says: 0.1 s growing to 5 s, with a jitter of a tenth. */
function backOffMs(attempt: number): number {
  return Math.min(FIRST_MS * FACTOR ** attempt, LONGEST_MS) * (0.9 + Math.random() * 0.2);
}

/** One poll's wait: our own, or the CA's `Retry-After` where that is longer. The session's deadline bounds both. */
export async function pause(ca: Acme, session: Session, attempt: number, retryAfter: Date | undefined): Promise<void> {
  const asked = retryAfter ? retryAfter.getTime() - ca.now().getTime() : 0;
  await session.sleep(Math.max(asked, backOffMs(attempt)));
}

/** Reads a resource again and again, from a first value on, until it is done. */
export async function poll<T extends { readonly retryAfter: Date | undefined }>(
  ca: Acme,
  session: Session,
  {
    first,
    read,
    isDone,
  }: { readonly first: T; readonly read: () => Promise<T>; readonly isDone: (value: T) => boolean },
): Promise<T> {
  let value = first;
  for (let attempt = 0; !isDone(value); attempt += 1) {
    await pause(ca, session, attempt, value.retryAfter);
    value = await read();
  }
  return value;
}
