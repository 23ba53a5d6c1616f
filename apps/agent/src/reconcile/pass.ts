/** One pass over a target: compare what it holds with what it is to hold, change it, and see whether it shows that. */
import { ReplicaError } from '@certbus/replica';
import { AgentError } from '../errors.ts';
import type { Pair } from '../pairs/pair.ts';
import type { Change, Leaf, Target, Wanted } from '../targets/target.ts';
import {
  allDesired,
  bestFor,
  chooseDefault,
  type Desired,
  type DesiredOptions,
  desiredOf,
  openLeaf,
  sortUndesired,
  type Undesired,
} from './desired.ts';
import type { Unseen } from './unseen.ts';

/** What a pass is about. */
export interface PassOptions extends DesiredOptions {
  readonly target: Target;
  /** The name whose certificate is the default one. */
  readonly defaultName: string | undefined;
  /** Certificates that were put and not seen at the target yet: it is kept from pass to pass, also over one that failed, and over a start. */
  readonly unseen: Unseen;
  readonly signal: AbortSignal;
}

/** How one certificate stands at a target. */
export interface Standing {
  readonly names: readonly string[];
  /** The leaf that the target holds; `undefined` where it holds none. */
  readonly leafHash: string | undefined;
  readonly notAfter: Date;
  /** Why it is not what the bus says. */
  readonly problem: Error | undefined;
  /** Leaves that the target did not take or show, and when: they are not offered again at once. */
  readonly refusal?: { readonly leafHashes: readonly string[]; readonly at: Date };
}

/** How long a leaf that a target refused is not offered again, milliseconds. Each time, what the target is fed with is wrong for a moment. */
const REFUSED_MS = 300_000;

/** Whether a refusal is so young that it still counts. One that is in the future is not: the clock was set back since. */
function isYoung({ at }: NonNullable<Standing['refusal']>, now: Date): boolean {
  const ageMs = now.getTime() - at.getTime();
  return ageMs >= 0 && ageMs < REFUSED_MS;
}

/** What is known of a target after a pass: what it is to hold, and what it holds. */
export interface Knowledge {
  readonly desired: Map<string, Desired>;
  readonly held: Map<string, string>;
  defaultId: string | undefined;
  readonly standings: Map<string, Standing>;
  /** Ids of those that it holds in another form than is wanted by now. */
  readonly outdated: Set<string>;
  /** Ids of those that it holds, and that stay since they may be in what does not read of a damaged replica. */
  readonly unread: Set<string>;
}

/** Why nothing is removed from a target; `undefined` where removals go on. */
export function removalProblem(name: string, { unread }: Pick<Knowledge, 'unread'>): Error | undefined {
  if (unread.size === 0) return undefined;
  const which = [...unread].slice(0, SHOWN_IDS).join(', ') + (unread.size > SHOWN_IDS ? ', …' : '');
  const what = `Target "${name}" holds certificates that do not read in the replica, which is damaged (${unread.size}: ${which}). They stay in place, and nothing is removed, until the bus was read again. Look at the disk of the state directory.`;
  return new ReplicaError('CERTBUS_REPLICA_DAMAGED', what);
}

const SHOWN_IDS = 3;

const onlyEarlier = ({ certificateId, names }: Pick<Desired, 'certificateId' | 'names'>): AgentError =>
  new AgentError(
    'CERTBUS_AGENT_PAIR_REFUSED',
    `Certificate ${certificateId} (${names.join(', ')}) was renewed, and the new one cannot be used here: its key does not open on this machine, or it is not valid yet. The one before it stays in place.`,
  );

/** Whether a certificate was renewed or removed since it was looked up: the next pass, which follows at once, takes what it is now. */
const isRenewed = (
  source: Pick<PassOptions['source'], 'certificate'>,
  { certificateId, leafHash }: Pick<Desired, 'certificateId' | 'leafHash'>,
): boolean => source.certificate(certificateId)?.leafHash !== leafHash;

/**
 * Whether a certificate has to be put. One that is held in another leaf than the current one may be in place all the same: where the key of the current
 * one does not open here, its predecessor is the one that is served.
 */
async function isToBePut(
  { certificateId, names, leafHash, open }: Desired,
  {
    held,
    isOutdated,
    isSuspect,
    wasRefused,
    source,
  }: Pick<PassOptions, 'source'> & {
    readonly held: string | undefined;
    readonly isOutdated: boolean;
    readonly isSuspect: boolean;
    readonly wasRefused: boolean;
  },
): Promise<{ readonly isToBePut: boolean; readonly problem?: Error }> {
  // What it holds and did not show is offered again.
  if (held === leafHash && !wasRefused && !isOutdated) return { isToBePut: false };
  if (held === undefined && !isSuspect) return { isToBePut: true };
  try {
    const usable = (await open()).leafHash;
    if (usable === leafHash || isRenewed(source, { certificateId, leafHash })) return { isToBePut: true };
    // An earlier one takes the place of none that is current, however outdated the form of that is.
    const isEarlierToBePut = usable === held ? isOutdated : held !== leafHash;
    return { isToBePut: isEarlierToBePut, problem: onlyEarlier({ certificateId, names }) };
  } catch (problem) {
    return { isToBePut: false, problem: problem as Error };
  }
}

const renewedMeanwhile = ({ certificateId, names }: Leaf): AgentError =>
  new AgentError(
    'CERTBUS_AGENT_PAIR_REFUSED',
    `Certificate ${certificateId} (${names.join(', ')}) was renewed or removed while it was put. The next pass, which follows at once, takes what it is now.`,
  );

/**
 * Notes which leaf of each certificate a target opens: the bus may have another one, or none, by the time that it is put. A target that opens a
 * certificate twice, for its memory and for a file, gets the same leaf twice.
 */
function noting(
  put: readonly Desired[],
  { source, now }: Pick<PassOptions, 'source' | 'now'>,
): { readonly put: readonly Desired[]; readonly opened: Map<string, Leaf> } {
  const opened = new Map<string, Leaf>();
  const open = async (wanted: Desired): Promise<Pair> => {
    const first = opened.get(wanted.certificateId);
    const pair = first ? await openLeaf(source, first, first.leafHash, now()) : await wanted.open();
    if (!pair) throw renewedMeanwhile(wanted);
    const { certificateId, names, leafHash } = pair;
    opened.set(certificateId, { certificateId, names, leafHash });
    return pair;
  };
  return { put: put.map((wanted) => ({ ...wanted, open: () => open(wanted) })), opened };
}

const notServed = (name: string, { certificateId, names }: Leaf, shown: string | undefined): AgentError => {
  const what = shown === undefined ? 'no certificate for it' : 'another certificate';
  return new AgentError(
    'CERTBUS_AGENT_NOT_SERVED',
    `Target "${name}" took certificate ${certificateId} (${names.join(', ')}) and shows ${what}.`,
  );
};

const isUnserved = (problem: Error | undefined): boolean =>
  problem instanceof AgentError && problem.code === 'CERTBUS_AGENT_NOT_SERVED';

/** Ids of what a target took and does not show: the next start looks at it again, which has no other way to know. */
const unservedIn = (standings: Knowledge['standings']): Set<string> =>
  new Set([...standings].flatMap(([id, { problem }]) => (isUnserved(problem) ? [id] : [])));

const wantedOf = (
  { source }: PassOptions,
  desired: ReadonlyMap<string, Wanted>,
): Pick<Change, 'wanted' | 'bestFor'> => ({
  wanted: desired,
  bestFor: (name, isAmong) => bestFor(source, name, (id) => desired.has(id) && isAmong(id)),
});

/** Puts back the leaves that were in place before, where the replica still has them; returns the ids of those. */
async function putBack(
  options: PassOptions,
  failed: ReadonlyMap<string, Error>,
  {
    desired,
    before,
    defaultId,
  }: { desired: Knowledge['desired']; before: ReadonlyMap<string, string>; defaultId: string | undefined },
): Promise<ReadonlySet<string>> {
  const { target, source, now, signal } = options;
  if (failed.size === 0) return new Set();
  const put: Wanted[] = [];
  for (const certificateId of failed.keys()) {
    const wanted = desired.get(certificateId);
    const leafHash = before.get(certificateId);
    const pair = wanted && leafHash && (await openLeaf(source, wanted, leafHash, now()));
    if (pair) put.push({ ...wanted, open: async () => pair });
  }
  // What is opened again while it is put, for another name or for a file, is the leaf before as well.
  const wanted = new Map([...desired, ...put.map((each) => [each.certificateId, each] as const)]);
  if (put.length > 0) await target.apply({ put, remove: [], defaultId, ...wantedOf(options, wanted) }, signal);
  return new Set(put.map(({ certificateId }) => certificateId));
}

/** Whether a leaf is that of another certificate for one of these names, which a balancer may prefer for it. */
const isOfAnother = ({ source }: PassOptions, { certificateId, names }: Leaf, leafHash: string | undefined): boolean =>
  names.some((name) =>
    source
      .ranking(name)
      .candidates.some((other) => other.certificateId !== certificateId && other.issued.leafHash === leafHash),
  );

/** Compares what a target shows with what was put there. */
async function verify(options: PassOptions, leaves: readonly Leaf[]): Promise<ReadonlyMap<string, Error>> {
  if (leaves.length === 0) return new Map();
  const { target, signal } = options;
  const served = await target.served(leaves, signal);
  const failed = leaves.filter((leaf) => {
    const shown = served.get(leaf.certificateId);
    return shown !== leaf.leafHash && !isOfAnother(options, leaf, shown);
  });
  const unserved = failed.map((leaf): [string, Error] => [
    leaf.certificateId,
    notServed(target.name, leaf, served.get(leaf.certificateId)),
  ]);
  return new Map(unserved);
}

/** What is to be done for some certificates. */
interface Plan extends Undesired {
  readonly put: readonly Desired[];
  /** Why a certificate that is held stays as it is. */
  readonly problems: Map<string, Error>;
  /** Refusals that still count. */
  readonly refusals: Map<string, NonNullable<Standing['refusal']>>;
}

async function plan(
  ids: Iterable<string>,
  { desired, held, outdated, standings, isOther }: Knowledge & { readonly isOther: boolean },
  options: PassOptions,
): Promise<Plan> {
  const now = options.now();
  const put: Desired[] = [];
  const undesired: string[] = [];
  const problems = new Map<string, Error>();
  const refusals: Plan['refusals'] = new Map();
  for (const id of ids) {
    const wanted = desired.get(id);
    if (!wanted) {
      if (held.has(id)) undesired.push(id);
      continue;
    }
    const { problem, refusal } = standings.get(id) ?? {};
    const wasRefused = refusal?.leafHashes.includes(wanted.leafHash) === true;
    // What a target lost is put at once, whatever it shows then: its names have no certificate.
    const isLost = isUnserved(problem) && !held.has(id);
    // One that is another by now can have room for what it refused.
    const isTakenNow = isOther && !isUnserved(problem);
    if (wasRefused && problem && isYoung(refusal, now) && !isLost && !isTakenNow) {
      problems.set(id, problem);
      refusals.set(id, refusal);
      continue;
    }
    // What could not be put before is opened before anything is changed for it.
    const isSuspect = problem !== undefined;
    const found = await isToBePut(wanted, {
      ...{ held: held.get(id), isOutdated: outdated.has(id), isSuspect, wasRefused, source: options.source },
    });
    if (found.isToBePut) put.push(wanted);
    if (found.problem) problems.set(id, found.problem);
  }
  return { put, problems, refusals, ...(await sortUndesired(undesired, options)) };
}

/**
 * The certificate that is to be the default one. One that stays at a target without being desired may be in what did not read of a damaged replica, and
 * stays the default one as well: the replica may be whole again by now.
 */
async function defaultOf(
  { source, defaultName }: PassOptions,
  { desired, held, defaultId }: Knowledge,
  remove: readonly string[],
): Promise<string | undefined> {
  if (defaultName === undefined) return undefined;
  if (defaultId !== undefined && !desired.has(defaultId)) {
    const stays = held.has(defaultId) ? !remove.includes(defaultId) : !source.isWhole();
    if (stays) return defaultId;
  }
  return chooseDefault(source, defaultName, { desired, held });
}

/**
 * Changes a target, sees whether it shows the change, and notes what it holds then. Resolves with the ids of what was put by a pass before, and is still to
 * be looked at.
 */
async function change(
  options: PassOptions,
  { put, remove, problems, refusals }: Plan,
  knowledge: Knowledge & { readonly wantedDefault: string | undefined },
): Promise<ReadonlySet<string>> {
  const { target, now, signal } = options;
  const { desired, held, outdated, wantedDefault: defaultId } = knowledge;
  const { put: noted, opened } = noting(put, options);
  const unseen = options.unseen.ids();
  // Before anything is put: what a kill keeps from being looked at is looked at by the next start.
  if (put.length > 0) options.unseen.keep(new Set([...unseen, ...put.map(({ certificateId }) => certificateId)]));
  const wanted = new Map([...desired, ...noted.map((each) => [each.certificateId, each] as const)]);
  const { refused } = await target.apply({ put: noted, remove, defaultId, ...wantedOf(options, wanted) }, signal);
  const placed = [...opened.values()].filter(({ certificateId }) => !refused.has(certificateId));
  const unserved = await verify(options, placed);
  const before = new Map(put.flatMap(({ certificateId: id }) => (held.has(id) ? [[id, held.get(id) ?? '']] : [])));
  for (const [id, error] of [...refused, ...unserved]) {
    problems.set(id, error);
    const leafHashes = [desired.get(id), opened.get(id)].flatMap((leaf) => (leaf ? [leaf.leafHash] : []));
    refusals.set(id, { leafHashes, at: now() });
  }
  for (const { certificateId: id, leafHash } of placed) {
    const current = desired.get(id);
    const isEarlier = current && current.leafHash !== leafHash && !isRenewed(options.source, current);
    if (isEarlier && !problems.has(id)) problems.set(id, onlyEarlier(current));
  }
  for (const id of remove) held.delete(id);
  for (const { certificateId, leafHash } of placed) {
    held.set(certificateId, leafHash);
    outdated.delete(certificateId);
  }
  const back = await putBack(options, unserved, { desired, before, defaultId });
  for (const id of unserved.keys()) {
    const leafHash = back.has(id) ? before.get(id) : undefined;
    if (leafHash) held.set(id, leafHash);
  }
  for (const { certificateId } of put) unseen.delete(certificateId);
  return unseen;
}

/** Looks at what a pass before put and did not see, since it failed or its process ended: what is not shown is offered again after a while. */
async function lookAtUnseen(
  options: PassOptions,
  { problems, refusals }: Pick<Plan, 'problems' | 'refusals'>,
  { desired, held, standings, unseen }: Omit<Knowledge, 'defaultId'> & { readonly unseen: ReadonlySet<string> },
): Promise<void> {
  const { now } = options;
  const leaves = [...unseen].flatMap((certificateId): Leaf[] => {
    // It was looked at, and is a problem of this process already.
    if (isUnserved(standings.get(certificateId)?.problem)) return [];
    const [wanted, leafHash] = [desired.get(certificateId), held.get(certificateId)];
    return wanted && leafHash !== undefined ? [{ certificateId, names: wanted.names, leafHash }] : [];
  });
  const unserved = await verify(options, leaves);
  for (const { certificateId: id, leafHash } of leaves) {
    const problem = unserved.get(id);
    if (!problem) continue;
    problems.set(id, problem);
    refusals.set(id, { leafHashes: [leafHash], at: now() });
  }
}

/**
 * Drops the problems that are over of certificates that the target holds in their current leaf: what it did not show it shows by now, or what it refused
 * is in effect.
 */
async function dropOver(
  options: PassOptions,
  { put, problems, refusals }: Plan,
  { desired, held, isInEffect }: Pick<Knowledge, 'desired' | 'held'> & { readonly isInEffect: boolean },
): Promise<void> {
  const isPut = new Set(put.map(({ certificateId }) => certificateId));
  const leaves: Leaf[] = [];
  const drop = (id: string) => {
    problems.delete(id);
    refusals.delete(id);
  };
  for (const [id, problem] of problems) {
    const wanted = desired.get(id);
    if (!wanted || isPut.has(id) || !refusals.has(id) || held.get(id) !== wanted.leafHash) continue;
    if (isUnserved(problem)) leaves.push({ certificateId: id, names: wanted.names, leafHash: wanted.leafHash });
    else if (isInEffect) drop(id);
  }
  const unserved = await verify(options, leaves);
  for (const { certificateId } of leaves) if (!unserved.has(certificateId)) drop(certificateId);
}

/** What a pass goes on from. */
export interface Since {
  /** What the pass before found. */
  readonly knowledge: Knowledge;
  /** Ids of the certificates that changed since. `undefined`: everything is read and compared. */
  readonly ids: ReadonlySet<string> | undefined;
  /** Whether the target may hold other ones than it did, so that all of it is compared. */
  readonly isLost?: boolean;
}

/** What the pass before wanted, with what changed since, or all that the replica says: of ten thousand certificates, that takes a fifth of a second. */
function desiredSince(since: Since | undefined, options: PassOptions): Map<string, Desired> {
  if (!since?.ids) return allDesired(options);
  const { desired } = since.knowledge;
  for (const id of since.ids) {
    const changed = desiredOf(id, options);
    if (changed) desired.set(id, changed);
    else desired.delete(id);
  }
  return desired;
}

/**
 * Brings a target to what the replica says: all of it, or those certificates that changed since the pass before. Rejects where the target
 * cannot be asked or changed at all; what one certificate meets is in its standing, and holds up no other. What the target refused lately is not offered
 * again, also where everything is compared.
 */
export async function runPass(options: PassOptions, since: Since | undefined): Promise<Knowledge> {
  const { target, signal } = options;
  let [isInEffect, isOther] = [true, false];
  let knowledge: Knowledge;
  const changed = since?.isLost ? undefined : since?.ids;
  const desired = desiredSince(since, options);
  if (since && changed) knowledge = since.knowledge;
  else {
    const found = await target.held(wantedOf(options, desired), signal);
    isInEffect = found.isInEffect;
    isOther = found.isOther === true;
    knowledge = {
      desired,
      held: new Map(found.leafHashes),
      defaultId: found.defaultId,
      outdated: new Set(found.outdated),
      standings: new Map(since?.knowledge.standings),
      unread: new Set(),
    };
  }
  const { held, standings } = knowledge;
  // What has a standing and is neither held nor wanted any more left the bus or the selection.
  const ids = changed ?? new Set([...desired.keys(), ...held.keys(), ...standings.keys()]);
  const planned = await plan(ids, { ...knowledge, isOther }, options);
  const { remove, put, unread, problems, refusals } = planned;
  const wantedDefault = await defaultOf(options, knowledge, remove);
  for (const id of ids) knowledge.unread.delete(id);
  for (const id of unread) knowledge.unread.add(id);
  let unseen: ReadonlySet<string> = options.unseen.ids();
  if (put.length + remove.length > 0 || knowledge.defaultId !== wantedDefault || !isInEffect) {
    unseen = await change(options, planned, { ...knowledge, wantedDefault });
    knowledge.defaultId = wantedDefault;
  }
  await lookAtUnseen(options, planned, { ...knowledge, unseen });
  await dropOver(options, planned, { desired, held, isInEffect: isInEffect && !changed });
  // A change can meet certificates that did not change themselves.
  for (const id of new Set([...ids, ...problems.keys()])) {
    const wanted = desired.get(id);
    if (!wanted) {
      if (!held.has(id)) standings.delete(id);
      continue;
    }
    const { names, notAfter } = wanted;
    const refusal = refusals.get(id);
    const standing = { names, leafHash: held.get(id), notAfter, problem: problems.get(id) };
    standings.set(id, refusal ? { ...standing, refusal } : standing);
  }
  options.unseen.keep(unservedIn(standings));
  return knowledge;
}
