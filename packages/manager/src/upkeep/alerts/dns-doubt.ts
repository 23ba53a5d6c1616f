/** Tells people that this manager doubts DNS, and that it does not any more. */
import type { Context } from '../../context.ts';
import { doubtsToTell } from '../../decide/loss-guard.ts';
import type { AnnounceOptions, Announcer } from './announcer.ts';

/**
 * Tells people that DNS is doubted, or that it is not any more once a look has found names that are ours. Resolves with why they could not be
 * told.
 */
export type TellDoubt = (options: AnnounceOptions) => Promise<readonly unknown[]>;

/** What one manager tells, which remembers whether the alert is its own. */
export function createDoubtTeller({ lossGuard, view, now }: Context, announcer: Announcer): TellDoubt {
  let isOwn = false;
  return async (options) => {
    const noted = view.state.bus.alerts.find(({ alert }) => alert === 'dns-doubted');
    const isRaised = noted !== undefined && noted.until === undefined;
    const found = doubtsToTell(lossGuard, { noted, isOwn, now: now() });
    if (!found) return [];
    const { errors } = await announcer.about('dns-doubted', found, options);
    isOwn = found.length > 0 && (isOwn || !isRaised);
    return errors;
  };
}
