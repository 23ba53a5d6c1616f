/** Puts the steps of an issuance into words. */
import type { Progress } from '@certbus/manager';

/** What is waited for, and for how long, in words. */
export function describeWaiting({ why, until }: { readonly why: string; readonly until: Date }): string {
  return `still waiting: ${why}; until ${until.toISOString()} at most`;
}

/** A step of an issuance in words. */
function describeProgress({
  step,
  certificateId,
  names,
  holder,
  until,
  orderUrl,
  challengeType,
  message,
}: Progress): string | undefined {
  const subject = names.join(', ');
  switch (step) {
    case 'waiting':
      return `${holder} is at work on ${subject} until ${until?.toISOString()}; waiting (--take-over does not wait)`;
    case 'claimed':
      return `claimed ${subject} as ${certificateId}`;
    case 'taken-over':
      return `took over what was begun for ${subject} (${certificateId})`;
    case 'order':
      return `the CA has the order ${orderUrl}`;
    case 'answered':
      return `waiting until the answers to the challenges can be seen (${challengeType})`;
    case 'pending':
      return message === undefined || until === undefined ? undefined : describeWaiting({ why: message, until });
    case 'warning':
      // The log says it.
      return undefined;
    case 'issued':
      return `the CA issued the certificate for ${subject}`;
    case 'recorded':
      return `the certificate for ${subject} is on the bus`;
  }
}

/** Passes steps on as lines; waiting is said once, not every second. */
export function progressPrinter(print: (line: string) => void): (progress: Progress) => void {
  let last = '';
  return (progress) => {
    const line = describeProgress(progress);
    if (line === undefined || line === last) return;
    print(line);
    last = line;
  };
}
