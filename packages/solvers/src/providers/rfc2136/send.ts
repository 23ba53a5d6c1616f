/** Sends signed updates, and reads what the server answers. */
import { AcmeError } from '@certbus/acme';
import { exchange, type ServerAddress } from './exchange.ts';
import { sign, type TsigKey, type TsigVerdict, verify } from './tsig.ts';
import { buildUpdate, type ValueUpdate } from './update.ts';

/** Whom updates go to, and as whom. */
export interface Updater {
  readonly server: ServerAddress;
  readonly key: TsigKey;
  readonly transport: 'udp' | 'tcp';
  readonly ttlS: number;
  now(): Date;
}

const NAMES = new Map([
  [1, 'FORMERR'],
  [2, 'SERVFAIL'],
  [3, 'NXDOMAIN'],
  [4, 'NOTIMP'],
  [5, 'REFUSED'],
  [9, 'NOTAUTH'],
  [10, 'NOTZONE'],
  [16, 'BADSIG'],
  [17, 'BADKEY'],
  [18, 'BADTIME'],
  [22, 'BADTRUNC'],
]);

/** So many records are a message of less than 64 kB, whatever the names. */
const RECORDS_A_MESSAGE = 100;

function tsigAdvice({ error, serverTime }: TsigVerdict, { key, now }: Updater): string | undefined {
  if (error === 17) {
    return `it knows no key "${key.name}" of ${key.algorithm}, or lets it change nothing. Give it this key and a rule, or correct name and algorithm`;
  }
  if (error === 16) return `the secret of key "${key.name}" is not the server's. Correct it`;
  if (error === 18) {
    const theirs = serverTime ? `, the server's is ${serverTime.toISOString()}` : '';
    return `the clocks differ too much: ours is ${now().toISOString()}${theirs}. Set them by NTP`;
  }
  return error === 0 ? undefined : 'it refuses the signature';
}

function rcodeAdvice(rcode: number, zone: string, { key }: Updater): string {
  if (rcode === 5)
    return `key "${key.name}" is not permitted to update TXT records of the zone ${zone}. Permit it at the server`;
  if (rcode === 4) return 'it takes no updates. Name the primary server of the zone';
  if (rcode === 9) return `it is not the primary server of the zone ${zone}. Name that server, or correct the zone`;
  if (rcode === 10) return `a name is not in the zone ${zone}. Correct the zone`;
  return `look into its log for the zone ${zone}`;
}

/** What stands in an answer's way, in words for people. */
function failureIn(
  attempt: string,
  {
    rcode,
    verdict,
    zone,
  }: { readonly rcode: number; readonly verdict: TsigVerdict | undefined; readonly zone: string },
  updater: Updater,
): AcmeError | undefined {
  const advice = verdict && tsigAdvice(verdict, updater);
  if (advice) {
    const message = `${attempt}: ${advice} (${NAMES.get(verdict.error) ?? verdict.error}).`;
    return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
  }
  if (rcode !== 0) {
    const code = rcode === 9 || rcode === 10 ? 'CERTBUS_ACME_ZONE_NOT_FOUND' : 'CERTBUS_ACME_SOLVER_FAILED';
    const message = `${attempt}: ${rcodeAdvice(rcode, zone, updater)} (${NAMES.get(rcode) ?? `code ${rcode}`}).`;
    return new AcmeError(code, message);
  }
  if (verdict?.isGenuine) return undefined;
  const message = `${attempt}: the answer is not signed with key "${updater.key.name}", so anybody may have sent it. Check what is between, and the clock.`;
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
}

async function sendOne(
  updates: readonly ValueUpdate[],
  { updater, zone, signal }: { readonly updater: Updater; readonly zone: string; readonly signal: AbortSignal },
): Promise<void> {
  const { server, key, transport, ttlS, now } = updater;
  const [first] = updates;
  const more = updates.length > 1 ? ` and ${updates.length - 1} more` : '';
  const attempt = `Updating the TXT records of ${first?.name}${more} at ${server.host}:${server.port}`;
  const [id = 0] = crypto.getRandomValues(new Uint16Array(1));
  const request = sign(buildUpdate(updates, { id, zone, ttlS }), key, now());
  let verdict: TsigVerdict | undefined;
  let rcode: number;
  try {
    const answer = await exchange(request.message, server, { signal, transport });
    rcode = answer.readUInt16BE(2) & 0x0f;
    verdict = verify(answer, request, key, now());
  } catch (cause) {
    signal.throwIfAborted();
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `${attempt}: no usable answer came (${why}). Check the address, and that port ${server.port} is open for UDP and TCP.`;
    throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message, { cause });
  }
  const failure = failureIn(attempt, { rcode, verdict, zone }, updater);
  if (failure) throw failure;
}

/** Sends updates of a zone, a hundred in a message. Rejects with `CERTBUS_ACME_SOLVER_FAILED` or `CERTBUS_ACME_ZONE_NOT_FOUND`. */
export async function sendUpdates(
  updates: readonly ValueUpdate[],
  options: { readonly updater: Updater; readonly zone: string; readonly signal: AbortSignal },
): Promise<void> {
  for (let at = 0; at < updates.length; at += RECORDS_A_MESSAGE) {
    await sendOne(updates.slice(at, at + RECORDS_A_MESSAGE), options);
  }
}
