import type { Job } from './job.ts';
import type { AcmeEvent, Observe } from './observe.ts';
import type { Reservation } from './token-bucket.ts';

/** Waits for a place under a limit. Gives it back where the job ends first, or its deadline forbids the wait. */
export async function waitFor(
  job: Job,
  reservation: Reservation,
  { subject, observe }: { readonly subject: (AcmeEvent & { type: 'wait' })['for']; readonly observe: Observe },
): Promise<void> {
  const { waitMs } = reservation;
  if (waitMs <= 0) return;
  try {
    await job.sleep(waitMs, `The CA's limits leave no room (${subject}) until then; the next place is free`);
  } catch (error) {
    reservation.cancel();
    throw error;
  }
  observe({ type: 'wait', for: subject, ms: waitMs });
}
