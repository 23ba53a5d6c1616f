/** Examines a request on the machine that holds the root key, and signs it there. */
import type { Signer, Trust } from '@certbus/events';
import {
  type Checkpoint,
  checkpointOf,
  HistoryError,
  type RootBody,
  readEvent,
  signRootEvent,
} from '@certbus/events/history';
import { checkName, inForceAfter, type KeysInForce } from '../../decide/key-changes.ts';
import { ManagerError } from '../../errors.ts';
import type { RootReply, RootRequest } from './request.ts';
import { checkSealable } from './sealable.ts';
import { describeChange, quoted, withChangesLast } from './wording.ts';

/** A request whose past the root has recognised as its own. */
export interface ExaminedRequest {
  /** Sequence of the last root event before it. */
  readonly rootSequence: number;
  /** All that would be signed, in lines that are safe to print. */
  readonly lines: readonly string[];
}

function refuse(why: string, cause?: unknown): ManagerError {
  return new ManagerError('CERTBUS_MANAGER_REQUEST_REFUSED', `The request is refused, and nothing was signed: ${why}`, {
    cause,
  });
}

/** What is in force by the root's own signatures. */
function recognise({ rootEvents }: RootRequest, trust: Trust): Checkpoint {
  try {
    return checkpointOf(trust, { position: Number.MAX_SAFE_INTEGER, hash: '' }, rootEvents);
  } catch (cause) {
    if (!(cause instanceof HistoryError)) throw cause;
    throw refuse('the changes before it are not those that this root signed. Make it again with "--request".', cause);
  }
}

/** The names that the root has given a signing key. */
function namesOf(key: string, { rootEvents }: RootRequest): readonly string[] {
  return rootEvents.flatMap(({ root }) => {
    const { event } = readEvent(root);
    if (event?.type !== 'ManagersUpdated') return [];
    return event.managers.filter(({ signingKey }) => signingKey === key).map(({ name }) => name);
  });
}

/** Refuses an expulsion that does not name the manager as the root has named it: the person who signs decides by the name. */
function checkExpelled({ manager, key }: { readonly manager: string; readonly key: string }, request: RootRequest) {
  const names = namesOf(key, request);
  if (names.length === 0)
    throw refuse(`it expels the signing key ${key}, which this root has never named as a manager's.`);
  if (names.includes(manager)) return;
  const known = names.map(quoted).join(', ');
  throw refuse(`it expels the signing key ${key} as ${quoted(manager)}, and this root has named it ${known}.`);
}

/** Refuses names that come with the request and that the asking side would not have taken. */
function checkNewNames({ managers, recipients }: KeysInForce, body: RootBody): void {
  const [known, named] =
    body.type === 'ManagersUpdated'
      ? [managers, body.managers]
      : body.type === 'RecipientsUpdated'
        ? [recipients, body.recipients]
        : [[], []];
  const names = new Set(known.map(({ name }) => name));
  for (const { name } of named) {
    if (names.has(name)) continue;
    try {
      checkName(name);
    } catch (cause) {
      throw refuse(`it has a name that could pass for another, ${quoted(name)}.`, cause);
    }
  }
}

/** Refuses what would be of no effect, could not be sealed to, or is not what it is called. */
async function checkChange(before: KeysInForce, body: RootBody, request: RootRequest): Promise<void> {
  await checkSealable(before, body);
  if (body.type === 'ManagerExpelled') checkExpelled(body, request);
  else checkNewNames(before, body);
  if (body.type !== 'ManagersUpdated') return;
  const { expelled } = before;
  const named = body.managers.find(({ signingKey }) => expelled.some(({ key }) => key === signingKey));
  if (named) throw refuse(`it names the signing key ${named.signingKey}, which this root has expelled.`);
}

/**
 * Examines a request against the trust file of this machine: whose bus it is of, what the root has signed of it before, and whether that is
 * as much as the trust file's floor says. Returns all that it asks for, in words. Rejects `CERTBUS_MANAGER_REQUEST_REFUSED`,
 * `CERTBUS_MANAGER_REQUEST_OUTDATED`, and `CERTBUS_EVENTS_RECIPIENTS_INVALID`.
 */
export async function examineRequest(
  request: RootRequest,
  {
    trust,
    rootKey,
  }: { readonly trust: Trust /** The public half of the root key, base64url. */; readonly rootKey: string },
): Promise<ExaminedRequest> {
  if (rootKey !== trust.rootKey)
    throw refuse('the root key of this machine is not the one that its bus.pub names. Give both of the same bus.');
  if (request.busId !== trust.busId)
    throw refuse(`it belongs to the bus ${request.busId}, and bus.pub of this machine to ${trust.busId}.`);
  const checkpoint = recognise(request, trust);
  const { floor } = trust;
  if (floor && checkpoint.rootSequence < floor.rootSequence) {
    const what = `The request was made after change ${checkpoint.rootSequence} of the keys, and bus.pub of this machine knows of change ${floor.rootSequence}: it is an old one. Nothing was signed. Make it again.`;
    throw new ManagerError('CERTBUS_MANAGER_REQUEST_OUTDATED', what);
  }
  const lines: string[] = [];
  let before: KeysInForce = checkpoint;
  for (const body of request.changes) {
    await checkChange(before, body, request);
    lines.push(...describeChange(before, body));
    before = inForceAfter(before, body);
  }
  if (before.managers.length === 0) lines.push('NO manager is left: only the root itself can write to the bus then');
  return { rootSequence: checkpoint.rootSequence, lines: withChangesLast(lines) };
}

/** Signs all that a request asks for; `rootSequence` is that of its examination. The same request gives the same signatures. */
export function signRequest(
  { id, busId, changes }: RootRequest,
  { root, rootSequence }: { readonly root: Signer; readonly rootSequence: number },
): RootReply {
  const rootEvents = changes.map((body, index) => signRootEvent(root, busId, rootSequence + 1 + index, body));
  return { request: id, busId, rootEvents };
}
