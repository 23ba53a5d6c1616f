/** Keeps the notes of when to ask a CA up with the certificates, without ever reading all of them at once. */
import type { ManagedCertificate } from '@certbus/events';
import { lineOf } from '@certbus/events/history';
import type { PlacedLeaf, ReplicaReader } from '@certbus/replica';
import type { NotedStretch, RenewalInfoNote, RenewalInfoNotes } from './renewal-info-schedule.ts';
import { inTurns } from './turns.ts';

/** Four times what a run can ask about, in two seconds: a fleet of that size is drawn from as a whole. */
const NOTED_TOGETHER = 50_000;
const PAGE = 250;
/** What was never asked about comes first, in an order that is drawn: it was to be asked about in the first days of 1970. */
const LOTS = 1_000_000_000;
/** CAs want to be asked again after hours, and each certificate is asked about at the same minute of these from then on. */
const SPREAD_MS = 6 * 3_600_000;

/** What can be asked of a replica about its certificates' leaves. */
type Leaves = Pick<ReplicaReader, 'checkpoint' | 'leavesAfter' | 'leavesUpTo'>;

/** What notes are made with. */
interface NotingContext {
  readonly view: { readonly replica: Leaves };
  readonly random: () => number;
  readonly now: () => Date;
}

interface Step {
  readonly stretch: NotedStretch;
  readonly leaves: readonly PlacedLeaf[];
}

/** What makes a stretch longer: what has changed since, and then, towards the beginning, what was not read yet. */
function* steps(replica: Leaves, from: NotedStretch): Iterable<Step> {
  for (let stretch = from; ; ) {
    const newer = replica.leavesAfter(stretch.upTo, PAGE);
    const leaves = newer.length > 0 ? newer : replica.leavesUpTo(stretch.after, PAGE);
    const end = leaves.at(-1);
    if (!end) return;
    stretch = newer.length > 0 ? { ...stretch, upTo: end.position } : { ...stretch, after: end.position - 1 };
    yield { stretch, leaves };
  }
}

/** Whether the notes have all that a replica serves: so that nobody has to be asked whether anything is to be noted. */
export function isNoted(replica: Leaves, known: NotedStretch | undefined): boolean {
  const checkpoint = replica.checkpoint();
  if (known?.restored !== lineOf(checkpoint) || known.upTo > checkpoint.position) return false;
  return replica.leavesAfter(known.upTo, 1).length === 0 && replica.leavesUpTo(known.after, 1).length === 0;
}

/**
 * Whether a leaf was never asked about, and is to be asked about within hours, as one of many: then it is asked about sooner where it matters. Of what was
 * asked about, the bus has the answer.
 */
export function isFirstQuestion(
  { askAt, failures }: Pick<RenewalInfoNote, 'askAt' | 'failures'>,
  { renewalInfo, now }: Pick<ManagedCertificate, 'renewalInfo'> & { readonly now: Date },
): boolean {
  return renewalInfo === undefined && failures === 0 && askAt.getTime() - now.getTime() <= SPREAD_MS;
}

/** What was noted already; nothing, at any position, for a replica on another line of the bus, or one that is behind the notes. */
function beginningOf(replica: Leaves, random: () => number, known: NotedStretch | undefined): NotedStretch {
  const checkpoint = replica.checkpoint();
  const { position: head } = checkpoint;
  const restored = lineOf(checkpoint);
  if (known?.restored === restored && known.upTo <= head) return known;
  const anywhere = Math.floor(random() * (head + 1));
  return { restored, after: anywhere, upTo: anywhere };
}

/**
 * Notes what is served now and was not noted yet, and forgets what is not served any more: at most so many certificates in one run, and says
 * whether those are all. The
 * first run begins anywhere, so that managers that lose their notes again and again do not ask about the same ones each time. What it leaves is
 * noted to be asked about later, spread evenly: the questions about a large fleet stay as far apart as the first ones were.
 */
export async function noteLeaves(
  { view, random, now }: NotingContext,
  notes: RenewalInfoNotes,
): Promise<{ readonly isComplete: boolean }> {
  const { replica } = view;
  const known = notes.stretch();
  const beginning = beginningOf(replica, random, known);
  const isLarge = beginning === known && replica.leavesUpTo(known.after, 1).length > 0;
  const at = now().getTime();
  const drawn = () => new Date(Math.floor(isLarge ? at + random() * SPREAD_MS : random() * LOTS));
  const noteOf = ({ certificateId, leaf }: PlacedLeaf): RenewalInfoNote[] =>
    leaf ? [{ certificateId, ...leaf, askAt: drawn(), failures: 0 }] : [];
  let left = NOTED_TOGETHER;
  for await (const { stretch, leaves } of inTurns(steps(replica, beginning), 1)) {
    const gone = leaves.filter(({ leaf }) => !leaf).map(({ certificateId }) => certificateId);
    notes.extend(stretch, { notes: leaves.flatMap(noteOf), gone });
    left -= leaves.length;
    if (left <= 0) return { isComplete: false };
  }
  return { isComplete: true };
}
