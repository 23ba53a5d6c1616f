/** Notices by what the bus says that this machine's clock is wrong, or that everything has ended. */
import { ClientError } from '../errors.ts';
import type { Health } from '../health.ts';

/** How far the clocks of managers and load balancers may differ. */
const SKEW_MS = 300_000;
const MINUTE_MS = 60_000;

function clockBehind(newestCommitAt: Date, now: Date): ClientError {
  const minutes = Math.round((newestCommitAt.getTime() - now.getTime()) / MINUTE_MS);
  const what = `The newest commit of the bus was signed at ${newestCommitAt.toISOString()}, ${minutes} minutes ahead of this machine's clock (${now.toISOString()}). Correct the clock that is wrong, of this machine or of the manager: certificates are chosen by it.`;
  return new ClientError('CERTBUS_CLIENT_CLOCK_BEHIND', what);
}

function allExpired({ certificates: { served }, lastContactAt }: Health, now: Date): ClientError {
  const contact = lastContactAt ? `last answered at ${lastContactAt.toISOString()}` : 'has not answered yet';
  const ofServer =
    served === 1 ? 'The only certificate of this server has' : `All ${served} certificates of this server have`;
  const what = `${ofServer} ended by its clock (${now.toISOString()}). The bus ${contact}. Is the clock right, and does the manager run?`;
  return new ClientError('CERTBUS_CLIENT_ALL_EXPIRED', what);
}

/** Makes what looks at a report, to be called at regular intervals. Each alarm is raised when its cause begins, and again where it comes back. */
export function createClockAlarms(raise: (error: ClientError) => void): (health: Health, now: Date) => void {
  let wasBehind = false;
  let wereExpired = false;
  return (health, now) => {
    const { newestCommitAt, certificates } = health;
    const isBehind = newestCommitAt !== undefined && newestCommitAt.getTime() > now.getTime() + SKEW_MS;
    const areExpired = certificates.served > 0 && certificates.expired === certificates.served;
    if (isBehind && !wasBehind) raise(clockBehind(newestCommitAt, now));
    if (areExpired && !wereExpired) raise(allExpired(health, now));
    wasBehind = isBehind;
    wereExpired = areExpired;
  };
}
