/** Examines the bus and this manager's place on it. */
import type { BusState, Checkpoint, Expulsion } from '@certbus/events/history';
import type { Context } from '../context.ts';
import { type Finding, findingsOn, reasonFor } from './finding.ts';

const HOUR_MS = 3_600_000;
/** The first run after 24 hours of silence writes a heartbeat. */
const SILENCE_HOURS = 50;
const AHEAD_MS = 120_000;

/** The last manager whose expulsion has left something behind that it could open; `undefined` where none has. */
export function findUnfinished(
  { expelled }: Pick<Checkpoint, 'expelled'>,
  { config, accounts, nextAccountKeys, replacedAccounts }: BusState,
): Expulsion | undefined {
  const keys = [...accounts, ...nextAccountKeys, ...replacedAccounts].map(({ keyPosition }) => keyPosition);
  const oldest = Math.min(...keys, config?.position ?? Number.POSITIVE_INFINITY);
  return expelled.findLast(({ position }) => oldest < position);
}

/** Whether this manager's key is in force, this release knows every event, and a manager wrote to the bus lately. */
export function examineBus({ view, freshness, key, now }: Context): readonly Finding[] {
  const { bus } = view.state;
  const { position, managers } = view.checkpoint;
  const { good, warning, failed } = findingsOn('bus', `position ${position}`);
  const me = managers.find(({ signingKey }) => signingKey === key.signer.publicKey);
  const findings = [
    me
      ? good(`this manager is "${me.name}", one of ${managers.length}`)
      : failed('this manager key is not in force', 'Ask the holder of the root key to name this manager.'),
  ];
  const unknown = bus.unknown.filter((what) => !what.includes('.'));
  if (unknown.length > 0)
    findings.push(
      failed(
        `it has events that this release does not know (${unknown.join(', ')})`,
        'Upgrade before you decide anything.',
      ),
    );
  const unfinished = findUnfinished(view.checkpoint, bus);
  if (unfinished)
    findings.push(
      failed(
        `the expulsion of "${unfinished.manager}" at position ${unfinished.position} is not finished: it could open an account key or the configuration`,
        'Run it again until it ends without an error.',
      ),
    );
  const last = bus.voided.at(-1);
  if (last)
    findings.push(
      warning(
        `${last.type} at position ${last.position} is void: ${last.rule}`,
        'No release of CertBus writes this. Find out who signed it with "certbus bus log", and have the root expel that key.',
      ),
    );
  if (freshness.staleSince())
    findings.push(
      failed(
        `the newest commit was signed at ${bus.newestAt}, and this machine has not read the bus before: nothing is signed here`,
        'Compare the position with a machine that has read the bus. If no manager ran since then, go on once with --accept-stale.',
      ),
    );
  return [...findings, ...examineAge(view.checkpoint.position, bus.newestAt, now())];
}

/** Whether managers write to the bus, by when its newest commit was signed. */
export function examineAge(position: number, newestAt: string | undefined, now: Date): readonly Finding[] {
  const { warning } = findingsOn('bus', `position ${position}`);
  const age = now.getTime() - Date.parse(newestAt ?? '');
  if (age < -AHEAD_MS) {
    const what = `the newest commit was signed at ${newestAt}, which is in the future here`;
    return [warning(what, 'Compare the clocks of all managers.')];
  }
  if (!(age > SILENCE_HOURS * HOUR_MS)) return [];
  const advice = 'Run "certbus cert renewable --renew-all" from cron; it writes a heartbeat.';
  return [warning(`nothing was written since ${newestAt}`, advice)];
}

/** Why the bus cannot be read, or its history is refused; what follows is then as of what this machine has read before. */
export function examineAway(error: unknown, position: number): Finding {
  const { failed } = findingsOn('bus', 'this bus');
  const since =
    position === 0 ? 'and this machine has not read it before' : `so what follows is as of position ${position}`;
  const isHistory = error instanceof Error && error.name === 'HistoryError';
  const advice = isHistory
    ? '"certbus bus verify" shows where the history breaks; the guide "Back up and restore a bus" explains what to do.'
    : 'Check its address, its credentials and the network.';
  return failed(`it cannot be read, ${since}: ${reasonFor(error)}`, advice);
}
