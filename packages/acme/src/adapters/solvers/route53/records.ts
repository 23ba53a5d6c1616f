import {
  type Change,
  ChangeResourceRecordSetsCommand,
  GetChangeCommand,
  ListResourceRecordSetsCommand,
  type ResourceRecordSet,
  type Route53Client,
} from '@aws-sdk/client-route-53';
import { AcmeError } from '../../../errors.ts';
import { quote } from '../../../txt-values.ts';
import { BatchRefused, backOffMs, call, explain, type Sleep } from './call.ts';

const TTL_S = 30;
const MAX_TRIES = 8;
/** A CA refuses DNS answers that grow large, long before Route 53 would. */
const MAX_VALUES = 20;
const POLL_MS = 4000;
const MAX_POLLS = 150;

/** How records are changed. */
export interface RecordOptions {
  readonly client: Route53Client;
  readonly sleep: Sleep;
}

/** A change of TXT values in one zone. */
export interface ValueChange {
  readonly zoneId: string;
  /** Our values by DNS name. */
  readonly ours: ReadonlyMap<string, readonly string[]>;
  /** The values that shall be there, from those that are. */
  readonly edit: (current: readonly string[], ours: readonly string[]) => readonly string[];
  /** Whether to write even what is there already, for the sake of a change to wait for. */
  readonly always: boolean;
}

async function readSet(
  { client, sleep }: RecordOptions,
  zoneId: string,
  name: string,
  signal: AbortSignal,
): Promise<ResourceRecordSet | undefined> {
  const command = new ListResourceRecordSetsCommand({
    HostedZoneId: zoneId,
    StartRecordName: name,
    StartRecordType: 'TXT',
    MaxItems: 1,
  });
  const attempt = `Reading the TXT records of ${name}`;
  const { ResourceRecordSets = [] } = await call(attempt, (options) => client.send(command, options), {
    signal,
    sleep,
  });
  const set = ResourceRecordSets.find(({ Name, Type }) => Type === 'TXT' && Name?.toLowerCase() === `${name}.`);
  if (!set?.SetIdentifier && !set?.AliasTarget) return set;
  const message = `The TXT record ${name} has a routing policy or is an alias, so no value can be added. Make it a simple record.`;
  throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
}

/** Compare-and-swap: the batch fails as a whole unless the set is still exactly as it was read. */
function changesOf(name: string, old: ResourceRecordSet | undefined, values: readonly string[]): Change[] {
  const changes: Change[] = [];
  if (old) changes.push({ Action: 'DELETE', ResourceRecordSet: old });
  if (values.length > 0) {
    const records = values.map((Value) => ({ Value }));
    const base = old ?? { Name: `${name}.`, Type: 'TXT', TTL: TTL_S };
    changes.push({ Action: 'CREATE', ResourceRecordSet: { ...base, ResourceRecords: records } });
  }
  return changes;
}

async function planChanges(options: RecordOptions, change: ValueChange, signal: AbortSignal): Promise<Change[]> {
  const changes: Change[] = [];
  for (const [name, ours] of change.ours) {
    const old = await readSet(options, change.zoneId, name, signal);
    const current = (old?.ResourceRecords ?? []).map(({ Value }) => Value ?? '');
    const values = change.edit(current, ours.map(quote));
    if (values.length > MAX_VALUES && values.length > current.length) {
      const message = `The TXT record ${name} has ${current.length} values already, more than CAs accept. Remove what old orders left there.`;
      throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
    }
    const isSame = values.length === current.length && values.every((value) => current.includes(value));
    if (change.always || !isSame) changes.push(...changesOf(name, old, values));
  }
  return changes;
}

function refused(attempt: string, error: BatchRefused): AcmeError {
  if (!/not permitted in zone/i.test(error.message)) return explain(attempt, error);
  const message = `${attempt}: the name does not lie in this hosted zone. Correct "zoneId".`;
  return new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', message, { cause: error });
}

/**
 * Changes TXT values of one zone in one batch, and leaves values of others alone however often they change meanwhile. Resolves to the
 * change's id; `undefined` where nothing had to be done.
 */
export async function changeValues(
  options: RecordOptions,
  change: ValueChange,
  signal: AbortSignal,
): Promise<string | undefined> {
  const attempt = `Changing the TXT records of ${[...change.ours.keys()].join(', ')}`;
  for (let tries = 1; ; tries += 1) {
    const Changes = await planChanges(options, change, signal);
    if (Changes.length === 0) return undefined;
    const command = new ChangeResourceRecordSetsCommand({ HostedZoneId: change.zoneId, ChangeBatch: { Changes } });
    try {
      const { ChangeInfo } = await call(attempt, (how) => options.client.send(command, how), {
        signal,
        sleep: options.sleep,
      });
      return ChangeInfo?.Id;
    } catch (error) {
      if (!(error instanceof BatchRefused)) throw error;
      const failure = refused(attempt, error);
      if (tries === MAX_TRIES || failure.code === 'CERTBUS_ACME_ZONE_NOT_FOUND') throw failure;
    }
    // Somebody else was first, or our own answer got lost: what is there now decides.
    await options.sleep(backOffMs(1) * 0.2 * tries, { signal });
  }
}

/** Waits until every server of Route 53 has a change. */
export async function awaitInSync({ client, sleep }: RecordOptions, id: string, signal: AbortSignal): Promise<void> {
  const attempt = `Waiting for the Route 53 change ${id.replace(/^\/change\//, '')}`;
  const command = new GetChangeCommand({ Id: id });
  for (let polls = 1; ; polls += 1) {
    const { ChangeInfo } = await call(attempt, (options) => client.send(command, options), { signal, sleep });
    if (ChangeInfo?.Status === 'INSYNC') return;
    if (polls === MAX_POLLS) {
      const message = `${attempt}: still pending after ${(POLL_MS * MAX_POLLS) / 60_000} minutes. Try again later.`;
      throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
    }
    await sleep(POLL_MS, { signal });
  }
}
