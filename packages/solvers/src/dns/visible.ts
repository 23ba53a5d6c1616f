/** Waits until every authoritative name server shows every value. */
import { AcmeError, type ReadyOptions } from '@certbus/acme';
import { mapFew } from '@certbus/acme/solver-kit';
import { realClock } from '../clock.ts';
import { watchWait } from '../watch.ts';
import { type EffectiveName, howFound } from './effective-name.ts';
import type { Lookups } from './lookups.ts';
import { type Asking, beginAsking, leftOut, serversToAsk, silenceOf } from './name-servers.ts';
import type { DnsOptions } from './options.ts';

/** TXT values that a CA shall find at a name. */
export interface ExpectedValues {
  readonly zone: string;
  readonly name: string;
  readonly values: readonly string[];
  /** How the name was found, for errors. */
  readonly found?: EffectiveName;
}

/** A CA refuses DNS answers that grow large, long before a host would. */
export const MAX_VALUES = 20;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4000;
const MAX_NAMED = 5;

/** Too many values under one name, in words for people. */
export function tooManyValues(name: string, count: number): AcmeError {
  const message = `The TXT record ${name} has ${count} values, more than CAs accept. Remove what old orders left there.`;
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
}

/** Why a name is not ready. */
interface Lack {
  readonly why: string;
  /** Whether some server answers without the value, as opposed to servers that do not answer. */
  readonly isMissing: boolean;
}

/** What servers lack of what they should show; `undefined` where those that count lack nothing. */
async function lackOf(
  { zone, name, values }: ExpectedValues,
  options: DnsOptions,
  { asking, lookups }: { readonly asking: Asking; readonly lookups: Lookups },
): Promise<Lack | undefined> {
  const servers = await serversToAsk(async () => zone, options, lookups);
  if (servers.length === 0) return { why: `the zone ${zone} has no name server in DNS`, isMissing: true };
  const shown = asking.counting(await Promise.all(servers.map((server) => asking.ask(server, name))));
  const crowded = shown.find((each) => each.values.length > MAX_VALUES);
  if (crowded) throw tooManyValues(name, crowded.values.length);
  const lacking = shown.filter((each) => !values.every((value) => each.values.includes(value)));
  if (lacking.length === 0) return undefined;
  const missing = lacking.filter(({ trouble }) => trouble === undefined);
  const silent = lacking.filter(({ trouble }) => trouble !== undefined);
  const named = [
    ...missing.map(({ server }) => `${server.title} does not show it`),
    ...silent.map(({ server, trouble = '' }) => `${server.title} ${silenceOf(trouble)}`),
  ];
  const more = named.length > MAX_NAMED ? `; and ${named.length - MAX_NAMED} more` : '';
  return { why: `${named.slice(0, MAX_NAMED).join('; ')}${more}`, isMissing: missing.length > 0 };
}

function notVisible({ zone, name, found }: ExpectedValues, { why, isMissing }: Lack): AcmeError {
  const advice = isMissing
    ? `Is ${zone} the zone that the domain is delegated to, and do its servers get changes?`
    : 'Check these servers, and whether this machine can ask them; "nameServers" names others, and with false none is asked.';
  const how = found && howFound(found);
  const message = `The TXT value of ${name} is not visible: ${why}. ${advice}${how ? ` ${how}` : ''}`;
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
}

/** What to do while values are not visible yet. */
export interface Waiting<T extends ExpectedValues> extends ReadyOptions {
  readonly lookups: Lookups;
  /** Called before each further look, with what is not shown everywhere. */
  readonly mend?: ((missing: readonly T[]) => Promise<void>) | undefined;
}

/**
 * Waits until every authoritative server shows every value. Never asks a recursive resolver for a value, which would remember its
 * absence. A server that does not answer is left out after ten seconds, with a warning, where others do: {@link Asking}. Rejects with
 * `CERTBUS_ACME_SOLVER_FAILED` when time is up, or where a name has too many values.
 */
export async function awaitVisible<T extends ExpectedValues>(
  expected: readonly T[],
  options: DnsOptions,
  { lookups, signal, mend, onWaiting, onWarning }: Waiting<T>,
): Promise<void> {
  const { nameServers, visibleWithinMs = 120_000, clock = realClock } = options;
  if (nameServers === false) return;
  const deadline = clock.now().getTime() + visibleWithinMs;
  const watch = watchWait(new Date(deadline), { onWaiting });
  const asking = beginAsking({
    lookups,
    clock,
    withinMs: visibleWithinMs,
    onSilent: (server, trouble) => onWarning?.(leftOut(server, trouble)),
  });
  let missing = expected;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    const verdicts = await mapFew(missing, async (each) => ({
      each,
      lack: await lackOf(each, options, { asking, lookups }),
    }));
    const behind = verdicts.flatMap(({ each, lack }) => (lack ? [{ each, lack }] : []));
    const [first] = behind;
    if (!first) return;
    if (clock.now().getTime() + waitMs > deadline) throw notVisible(first.each, first.lack);
    for (const { each, lack } of verdicts) watch(each.name, lack && `${each.name}: ${lack.why}`);
    missing = behind.map(({ each }) => each);
    await clock.sleep(waitMs, { signal });
    asking.lookAgain();
    await mend?.(missing);
  }
}
