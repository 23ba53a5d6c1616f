/** Examines the bus and this manager's place on it. */
import type { BusState, Checkpoint, Expulsion } from '@certbus/events/history';
import type { Context } from '../context.ts';
import { type Finding, findingsOn } from './finding.ts';

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
  const age = now().getTime() - Date.parse(bus.newestAt ?? '');
  if (age < -AHEAD_MS)
    findings.push(
      warning(
        `the newest commit was signed at ${bus.newestAt}, which is in the future here`,
        'Compare the clocks of all managers.',
      ),
    );
  if (age > SILENCE_HOURS * HOUR_MS)
    findings.push(
      warning(
        `nothing was said since ${bus.newestAt}`,
        'Run "certbus cert renewable --renew-all" from cron; it says a heartbeat.',
      ),
    );
  return findings;
}
