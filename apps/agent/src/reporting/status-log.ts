/** What is logged about the targets. */
import type { TargetStatus } from '../reconcile/worker.ts';
import { counted } from './status.ts';

const SHOWN = 10;

/** What was logged of a target last. */
interface Logged {
  readonly error: string | undefined;
  /** By certificate id. */
  readonly problems: ReadonlyMap<string, string>;
}

const isSame = (one: Logged, other: Logged): boolean =>
  one.error === other.error &&
  one.problems.size === other.problems.size &&
  [...one.problems].every(([id, message]) => other.problems.get(id) === message);

/**
 * Makes what logs how a target stands, each time that it is another way than before. A certificate that fails there is an alarm, once until it fails
 * in another way or is in place.
 *
 * @param onAlarm takes each of them.
 */
export function createStatusLog(
  log: (line: string) => void,
  onAlarm: (error: Error) => void,
): (status: TargetStatus) => void {
  const known = new Map<string, Logged>();
  return ({ name, error, standings }) => {
    const failing = [...standings].flatMap(([id, { problem }]) => (problem ? [[id, problem] as const] : []));
    const now: Logged = {
      error: error?.message,
      problems: new Map(failing.map(([id, { message }]) => [id, message])),
    };
    const before = known.get(name);
    if (before && isSame(before, now)) return;
    known.set(name, now);
    if (error && before?.error !== error.message) log(`${name}: ${error.message}`);
    const raised = failing.filter(([id, { message }]) => before?.problems.get(id) !== message);
    for (const [, problem] of raised) onAlarm(problem);
    for (const [, { message }] of raised.slice(0, SHOWN)) log(`alarm: ${name}: ${message}`);
    const more = raised.length - SHOWN;
    if (more > 0) log(`alarm: ${name}: and ${more} more; "certbus-agent status" lists them`);
    if (!error && failing.length === 0) log(`${name}: ${counted(standings.size, 'certificate')} in place`);
  };
}
