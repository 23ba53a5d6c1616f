/** Appends to a bus what its root has signed. */
import type { Floor, Recipient, Trust } from '@certbus/events';
import {
  type Checkpoint,
  floorAt,
  isRewritten,
  isSignedByRoot,
  type RootEnvelope,
  type RootEvent,
  readEvent,
  type WrittenEvent,
} from '@certbus/events/history';
import { type Bus, MAX_COMMIT_BYTES, VersionConflictError } from '@certbus/store';
import type { AccountReaders } from '../../accounts/account-key.ts';
import { type Context, refresh } from '../../context.ts';
import { inForceAfter, type KeysInForce } from '../../decide/key-changes.ts';
import { ManagerError } from '../../errors.ts';
import type { RootState } from '../../state/root-history.ts';
import { type Exposure, exposedAccounts, findExposure } from './exposure.ts';
import { besides, type RootPicture, readRootState } from './keys-in-force.ts';
import {
  findOpenable,
  findUnopenable,
  nameRemoved,
  type RemovedRecipient,
  type SealedCertificates,
} from './openable.ts';
import type { RootReply } from './request.ts';
import { type ChangeOfReaders, sealAgain, stillSealed } from './seal-again.ts';

/** Those who write all the time have to lose the race only once. */
const ATTEMPTS = 100;

/** Of a commit's bytes these are for events, the rest for its frame and signature. */
const COMMIT_BYTES = MAX_COMMIT_BYTES - 4_000;

/** What came of a change of keys. */
export interface AppendedChange {
  /** Position of the commit that has it. */
  readonly position: number;
  /** Whether this call wrote it; `false` where it was on the bus already. */
  readonly appended: boolean;
  /** For the trust file of every machine. */
  readonly floor: Floor;
  /** What could not be opened here, or was too large, so that it is sealed to those before the change, in words. */
  readonly left: readonly string[];
  /** What those who left could read up to now. */
  readonly exposure: Exposure;
  /** Recipients that nothing is sealed to any more because of it. */
  readonly removedRecipients: readonly RemovedRecipient[];
  /** Certificates whose private key these can open: to be replaced and revoked, where their key was stolen. */
  readonly openable: SealedCertificates;
  /** Certificates whose private key recipients cannot open that were added, before it is sealed again or renewed. */
  readonly unopenable: SealedCertificates;
  /** Whether a manager was expelled by it, which `completeExpulsion` finishes. */
  readonly expels: boolean;
}

function refuse(why: string): ManagerError {
  return new ManagerError(
    'CERTBUS_MANAGER_REQUEST_REFUSED',
    `The signed change is refused, and nothing was written: ${why}`,
  );
}

/** Throws unless the root of this bus signed all of it. */
function checkReply({ busId, rootEvents }: RootReply, trust: Trust): void {
  if (busId !== trust.busId) throw refuse(`it is for the bus ${busId}, and this one is ${trust.busId}.`);
  if (!rootEvents.every((root) => isSignedByRoot(trust, root)))
    throw refuse('the root of this bus did not sign it, or it was changed on the way. Bring the file again.');
}

/** What of a reply is not on the bus yet, and the position of the last that is; anyone who manages can have appended a part of it. */
function divide(
  { rootEvents }: RootState,
  reply: RootReply,
): { readonly rest: readonly RootEnvelope[]; readonly last: number | undefined } {
  const positions = new Map(rootEvents.map(({ root, position }) => [root.rootSignature, position]));
  const rest = reply.rootEvents.filter(({ rootSignature }) => !positions.has(rootSignature));
  const last = reply.rootEvents.findLast(({ rootSignature }) => positions.has(rootSignature));
  return { rest, last: last && positions.get(last.rootSignature) };
}

/** Throws unless what was signed is what comes next on the bus. */
function checkPlace({ rootSequence }: Checkpoint, [first]: readonly RootEnvelope[]): void {
  const sequence = first?.rootSequence ?? 0;
  if (sequence === rootSequence + 1) return;
  const why =
    sequence <= rootSequence
      ? `it was signed as change ${sequence} of the keys, and the bus has another one there by now: somebody else's came first. Make the request again`
      : `it was signed as change ${sequence} of the keys, and the bus has ${rootSequence}: one before it was signed and is not on the bus. Append that one first`;
  throw new ManagerError('CERTBUS_MANAGER_REQUEST_OUTDATED', `Nothing was written: ${why}.`);
}

/** What all of a reply changes, also where the bus has a part of it, or the whole: by what the root signed before its first event. */
function changeOf(rootEvents: RootState['rootEvents'], reply: RootReply): ChangeOfReaders {
  const first = reply.rootEvents[0]?.rootSequence ?? 0;
  let before: KeysInForce = { managers: [], recipients: [], expelled: [] };
  // Its body was verified where it came into the history.
  for (const { root } of rootEvents)
    if (root.rootSequence < first) before = inForceAfter(before, readEvent(root).event as RootEvent);
  return { before, after: readersAfter(before, reply.rootEvents) };
}

/** Who can read account keys behind a reply. */
function readersAfter(head: AccountReaders, rootEvents: readonly RootEnvelope[]): AccountReaders {
  const after = { managers: head.managers, recipients: head.recipients };
  for (const root of rootEvents) {
    const { event } = readEvent(root);
    if (event?.type === 'ManagersUpdated') after.managers = event.managers;
    if (event?.type === 'RecipientsUpdated') after.recipients = event.recipients;
  }
  return after;
}

const missingIn = (list: readonly Recipient[], from: readonly Recipient[]): readonly Recipient[] =>
  from.filter(({ recipient }) => list.every((each) => each.recipient !== recipient));

const expels = ({ rootEvents }: RootReply): boolean => rootEvents.some(({ type }) => type === 'ManagerExpelled');

/** What is to be reported of a change that is on the bus, apart from what only a manager can open. */
async function report(
  picture: RootPicture,
  reply: RootReply,
  {
    change,
    now,
    signal,
    ...done
  }: Pick<AppendedChange, 'position' | 'appended'> & {
    readonly change: ChangeOfReaders;
    readonly now: Date;
    readonly signal: AbortSignal | undefined;
  },
): Promise<Omit<AppendedChange, 'exposure'>> {
  const { before, after } = change;
  const { position } = done;
  const removed = missingIn(after.recipients, before.recipients);
  return {
    ...done,
    floor: floorAt(picture.checkpoint),
    // Behind an expulsion `completeExpulsion` seals all of it again.
    left: expels(reply) ? [] : stillSealed(picture.bus, { before, after, position }),
    removedRecipients: nameRemoved(picture, removed),
    openable: await findOpenable(picture, removed, { now, signal }),
    unopenable: await findUnopenable(picture, missingIn(before.recipients, after.recipients), { signal }),
    expels: expels(reply),
  };
}

/** What of a reply is to be appended now; `done` is the position of its last commit where all of it is on the bus. */
function judge(
  state: RootState,
  reply: RootReply,
): { readonly rest: readonly RootEnvelope[]; readonly done: number | undefined } {
  const { rest, last } = divide(state, reply);
  if (rest.length === 0 && last !== undefined) return { rest, done: last };
  checkPlace(state.checkpoint, rest);
  return { rest, done: undefined };
}

/**
 * Appends what the root signed, with the configuration and the account keys sealed again in the same commit; what is on the bus already is not
 * appended again. Behind an expulsion nothing is sealed again here: what is on the bus can be the thief's, and `completeExpulsion` seals what
 * is left of it. Rejects `CERTBUS_MANAGER_REQUEST_REFUSED`, `CERTBUS_MANAGER_REQUEST_OUTDATED`, `CERTBUS_MANAGER_BUS_STALE`,
 * `CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE`, and with a `StoreError`.
 */
export async function appendChange(
  context: Context,
  reply: RootReply,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<AppendedChange> {
  const { bus, view, freshness, now } = context;
  checkReply(reply, bus.trust);
  for (let attempt = 1; ; attempt += 1) {
    await refresh(context, { signal });
    freshness.check();
    await view.written();
    const root = await readRootState(bus, view.replica, { signal });
    const { rest, done } = judge(root, reply);
    const change = changeOf(root.rootEvents, reply);
    // Before the append: a manager that removes itself opens nothing that is sealed again.
    const exposure = await findExposure(context, change);
    // A process that ended behind its append has reported nothing of it to anybody.
    if (done !== undefined) {
      const picture = { ...root, ...besides(view) };
      const made = { change, position: done, appended: false, now: now(), signal };
      return { ...(await report(picture, reply, made)), exposure };
    }
    const head = view.checkpoint;
    const bytes = COMMIT_BYTES - Buffer.byteLength(JSON.stringify(rest));
    const sealed = expels(reply) ? [] : await sealAgain(context, { ...change, bytes });
    const events: WrittenEvent[] = [...rest, ...sealed];
    try {
      const { commit, checkpoint } = await bus.append(head, events, { at: now(), signal });
      if (isRewritten(head, checkpoint)) await view.rebuild({ signal });
      else view.apply([commit], checkpoint);
      await view.written();
      const picture = { checkpoint, rootEvents: view.replica.rootEvents(), ...besides(view) };
      const made = { change, position: commit.position, appended: true, now: now(), signal };
      return { ...(await report(picture, reply, made)), exposure };
    } catch (error) {
      if (!(error instanceof VersionConflictError) || attempt >= ATTEMPTS) throw error;
    }
  }
}

/**
 * The same where no manager is left: the root signs the commit as well. Nothing is sealed again, and no secrets of the configuration are listed,
 * since nobody here can open it. `bus` is opened with the root as its signer. Rejects as {@link appendChange} does.
 */
export async function appendChangeAsRoot(
  bus: Bus,
  reply: RootReply,
  {
    state,
    now = () => new Date(),
    signal,
  }: {
    /** Reads what is on the bus. */
    readonly state: () => Promise<RootPicture>;
    readonly now?: () => Date;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<AppendedChange> {
  checkReply(reply, bus.trust);
  for (let attempt = 1, appended = false; ; attempt += 1) {
    const picture = await state();
    const { rest, done } = judge(picture, reply);
    if (done !== undefined) {
      const change = changeOf(picture.rootEvents, reply);
      const exposure = { secrets: [], accounts: exposedAccounts(picture.bus, change) };
      return { ...(await report(picture, reply, { change, position: done, appended, now: now(), signal })), exposure };
    }
    try {
      await bus.append(picture.checkpoint, rest, { at: now(), signal });
      appended = true;
    } catch (error) {
      if (!(error instanceof VersionConflictError) || attempt >= ATTEMPTS) throw error;
    }
  }
}
