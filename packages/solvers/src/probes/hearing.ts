/** Gives clients the time to hear of challenges where nothing looks at their answers. */
import type { Solver } from '@certbus/acme';
import { realClock } from '../clock.ts';
import type { ProbeOptions } from './every-address.ts';

/** By then every client has heard of a challenge: by default it looks at the bus every ten seconds. */
const HEARD_WITHIN_MS = 15_000;

/** Makes a solver's `ready` that looks at nothing, and waits until clients have heard of what was published. */
export function awaitHearing({ clock = realClock }: Pick<ProbeOptions, 'clock'>): Solver['ready'] {
  return async (_, { signal, onWaiting }) => {
    const until = new Date(clock.now().getTime() + HEARD_WITHIN_MS);
    onWaiting?.({ why: 'clients are hearing of the challenges, and the probe is turned off', until });
    await clock.sleep(HEARD_WITHIN_MS, { signal });
  };
}
