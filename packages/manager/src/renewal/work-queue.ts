/** Orders what is due, so that no kind of work holds up another. */
import { type ManagedCertificate, nextActionAt, URGENCIES, urgencyOf } from '@certbus/events';
import { isShared } from '../decide/back-off.ts';
import { isQuarantined, isTriedAnyway } from '../decide/quarantine.ts';

/** `new`: never issued, so that the CA's limits on new orders count it. `retry`: what failed by its own fault. `renewal`: the rest. */
export type WorkKind = 'new' | 'renewal' | 'retry';

/** A certificate that is due, with what decided that. Small, so that ten thousands can wait. */
export interface Work {
  readonly certificateId: string;
  readonly kind: WorkKind;
  /** The leaf that is to be replaced; another one by the time of its turn means that somebody else was first. */
  readonly leafHash: string | undefined;
  /** The campaign that it is done for, though it is not due; `undefined` for what is. */
  readonly campaignId: string | undefined;
}

/** How many wait, by kind, and how many are under way. */
export interface QueueSizes {
  readonly waiting: Readonly<Record<WorkKind, number>>;
  readonly underWay: number;
}

/** What is due, in the order in which it is to be done. */
export interface WorkQueue {
  sizes(): QueueSizes;
  /** How many certificates it was given, those included that its limit left. */
  readonly given: number;
  /** Takes the next for one who is free; `undefined` where there is none, or none that may begin now. Say when it is done. */
  take(): Work | undefined;
  done(work: Work): void;
  /** Adds what came while the others are done. Each certificate is queued once, whatever becomes of it. */
  add(due: Iterable<ManagedCertificate>, now: Date): void;
  /** Takes all that waits, since nothing more is done. */
  drain(): readonly Work[];
}

interface Ranked extends Work {
  readonly rank: number;
  readonly at: number;
}

/** Whose turn it is: half of the turns are the renewals'. */
const TURNS: readonly WorkKind[] = ['renewal', 'new', 'renewal', 'retry'];

const WORK_KINDS = ['new', 'renewal', 'retry'] as const satisfies readonly WorkKind[];

const DAY_MS = 86_400_000;

function kindOf({ current, failure }: ManagedCertificate, now: Date): WorkKind {
  // What failed with its CA or account as a whole is treated as if it had not; after a day it is rather the CA that fails with it.
  const isOwn = failure && (!isShared(failure.class) || now.getTime() - Date.parse(failure.since) > DAY_MS);
  if (isOwn) return 'retry';
  return current ? 'renewal' : 'new';
}

/** The urgencies, with campaigns between what is urgent and what is only due, and behind all what waits for DNS alone. */
const RANKS = [...URGENCIES.filter((urgency) => urgency !== 'due'), 'campaign', 'due', 'quarantined'] as const;

function rank(certificate: ManagedCertificate, now: Date, campaignId?: string): Ranked {
  const { certificateId, current } = certificate;
  const urgency = urgencyOf(certificate, now);
  const isEnding = current !== undefined && (urgency === 'lapsed' || urgency === 'emergency');
  // The certificate that ends first goes first; before that comes the instant that was drawn in the CA's window, or the older duty.
  const at = isEnding ? Date.parse(current.notAfter) : (nextActionAt(certificate)?.getTime() ?? 0);
  const subject = { certificateId, kind: kindOf(certificate, now), leafHash: current?.leafHash, campaignId };
  // Whose names are not ours any more waits for DNS alone, which may not answer: that holds nothing else up.
  const isLast = isQuarantined(certificate) && !isTriedAnyway(certificate, now);
  const place = urgency === 'due' && campaignId !== undefined ? 'campaign' : urgency;
  return { ...subject, rank: RANKS.indexOf(isLast ? 'quarantined' : place), at };
}

const byUrgency = (one: Ranked, other: Ranked): number => one.rank - other.rank || one.at - other.at;

/** Keeps the most urgent of what it is given, so that a million of them take no more memory than `limit`. */
function createShortlist(limit: number) {
  let kept: Ranked[] = [];
  return {
    add(work: Ranked) {
      kept.push(work);
      if (kept.length >= 2 * limit) kept = kept.sort(byUrgency).slice(0, limit);
    },
    sorted: (): Ranked[] => kept.sort(byUrgency).slice(0, limit),
  };
}

/**
 * Queues what is due, `limit` of it at most, most urgent first of each of three kinds, which take turns. While renewals
 * wait, no other kind has more than a quarter of `parallel` under way: new names may wait for the CA's limits for long, and what failed before will often be slow to fail.
 * `campaignOf` names the campaign of one that is not due, once it was given.
 */
export async function createWorkQueue(
  due: AsyncIterable<ManagedCertificate>,
  {
    now,
    limit,
    parallel,
    campaignOf = () => undefined,
  }: {
    readonly now: Date;
    readonly limit: number;
    readonly parallel: number;
    readonly campaignOf?: (certificateId: string) => string | undefined;
  },
): Promise<WorkQueue> {
  const shortlists = { new: createShortlist(limit), renewal: createShortlist(limit), retry: createShortlist(limit) };
  let given = 0;
  for await (const certificate of due) {
    const work = rank(certificate, now, campaignOf(certificate.certificateId));
    shortlists[work.kind].add(work);
    given += 1;
  }
  // The last is the next: taking from the end of a long list costs nothing.
  const next = (kind: WorkKind) => shortlists[kind].sorted().reverse();
  const waiting: Record<WorkKind, Ranked[]> = { new: next('new'), renewal: next('renewal'), retry: next('retry') };
  const known = new Set(WORK_KINDS.flatMap((kind) => waiting[kind].map(({ certificateId }) => certificateId)));
  const heads = TURNS.flatMap((kind) => waiting[kind].at(-1) ?? []).sort(byUrgency);
  // Where but one may be done, it is the most urgent of all.
  let turn = Math.max(0, TURNS.indexOf(heads[0]?.kind ?? 'renewal'));
  let left = limit;
  const running: Record<WorkKind, number> = { new: 0, renewal: 0, retry: 0 };
  const share = Math.max(1, Math.floor(parallel / 4));

  const mayBegin = (kind: WorkKind) => kind === 'renewal' || waiting.renewal.length === 0 || running[kind] < share;

  return {
    sizes: () => ({
      waiting: { new: waiting.new.length, renewal: waiting.renewal.length, retry: waiting.retry.length },
      underWay: running.new + running.renewal + running.retry,
    }),
    get given() {
      return given;
    },
    take() {
      for (let looked = 0; looked < TURNS.length && left > 0; looked += 1) {
        const kind = TURNS[turn % TURNS.length] as WorkKind;
        turn += 1;
        const work = mayBegin(kind) ? waiting[kind].pop() : undefined;
        if (!work) continue;
        running[kind] += 1;
        left -= 1;
        return work;
      }
      return undefined;
    },
    done({ kind }) {
      running[kind] -= 1;
    },
    add(came, at) {
      for (const certificate of came) {
        if (known.has(certificate.certificateId)) continue;
        const work = rank(certificate, at);
        known.add(work.certificateId);
        waiting[work.kind].push(work);
        given += 1;
      }
      for (const kind of WORK_KINDS) waiting[kind].sort((one, other) => byUrgency(other, one));
    },
    drain: () => WORK_KINDS.flatMap((kind) => waiting[kind].splice(0).reverse()),
  };
}
