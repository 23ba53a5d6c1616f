/** Checks a recorded history of a log against the obligations of the port. */

/** What became of an append, as its caller learnt it. */
export type AppendOutcome =
  | { readonly kind: 'acknowledged'; readonly position: number }
  /** Rejected with `CERTBUS_STORE_VERSION_CONFLICT`. */
  | { readonly kind: 'conflict' }
  /** Rejected with anything else that says that nothing was written, such as an abort's reason. */
  | { readonly kind: 'refused' }
  /** Rejected with `CERTBUS_STORE_OUTCOME_UNKNOWN`, or never settled. */
  | { readonly kind: 'unknown' };

/** One append as its caller saw it. Two at one position with one text are tries of the same commit. */
export interface AppendOperation {
  readonly kind: 'append';
  readonly text: string;
  /** The position behind which it was to be written. */
  readonly after: number;
  readonly outcome: AppendOutcome;
  /** On any clock that all operations share; `ended` is infinite where it never settled. */
  readonly began: number;
  readonly ended: number;
}

/** One read that returned a page. */
export interface ReadOperation {
  readonly kind: 'read';
  readonly consistent: boolean;
  readonly after: number;
  readonly seen: readonly { readonly position: number; readonly text: string }[];
  /** Whether the page said that nothing was known behind it. */
  readonly end: boolean;
  readonly began: number;
  readonly ended: number;
}

export type Operation = AppendOperation | ReadOperation;

/** The ways in which a log can break its obligations. */
export type ViolationKind =
  | 'two-acknowledged'
  | 'acknowledged-but-lost'
  | 'acknowledged-elsewhere'
  | 'failed-but-present'
  | 'groundless-conflict'
  | 'unexplained'
  | 'out-of-order'
  | 'stale-read'
  | 'foreign-read'
  | 'page-gap'
  | 'page-disorder'
  | 'page-without-progress';

/** One broken promise. */
export interface Violation {
  readonly kind: ViolationKind;
  readonly position: number;
  /** A sentence for the person who looks for the fault. */
  readonly what: string;
}

/** What the history shows about each position of the log; index 0 is not a position. */
interface Timeline {
  /** The log's text, by position. */
  textAt(position: number): string | undefined;
  /** When the earliest append that may have written this position's text began; never where nobody asked for it. */
  writtenFrom(position: number): number;
  /** The earliest moment from which somebody knew that the log reaches this position. */
  reachedFrom(position: number): number;
  /** Whether any append, with whatever outcome, wanted this position's text here. */
  isAsked(position: number): boolean;
}

const NEVER = Number.POSITIVE_INFINITY;
const isAppend = (operation: Operation): operation is AppendOperation => operation.kind === 'append';
const isRead = (operation: Operation): operation is ReadOperation => operation.kind === 'read';

/** Where an append may have put its text; `undefined` when it says that it put it nowhere. */
function placeOf({ outcome, after }: AppendOperation): number | undefined {
  if (outcome.kind === 'acknowledged') return outcome.position;
  return outcome.kind === 'unknown' ? after + 1 : undefined;
}

function createTimeline(operations: readonly Operation[], log: readonly string[]): Timeline {
  const written = new Float64Array(log.length + 1).fill(NEVER);
  const reached = new Float64Array(log.length + 2).fill(NEVER);
  const asked = new Set<number>();
  const textAt = (position: number) => log[position - 1];
  const learn = (position: number, at: number) => {
    reached[position] = Math.min(reached[position] ?? NEVER, at);
  };
  for (const append of operations.filter(isAppend)) {
    const { text, after, outcome, began, ended } = append;
    if (textAt(after + 1) === text) asked.add(after + 1);
    const place = placeOf(append);
    if (place === undefined || textAt(place) !== text) continue;
    written[place] = Math.min(written[place] ?? NEVER, began);
    if (outcome.kind === 'acknowledged') learn(place, ended);
  }
  for (const { seen, ended } of operations.filter(isRead)) {
    for (const { position, text } of seen) if (textAt(position) === text) learn(position, ended);
  }
  // Who knows of a position knows of all before it.
  for (let position = log.length; position > 0; position -= 1) learn(position, reached[position + 1] ?? NEVER);
  return {
    textAt,
    writtenFrom: (position) => written[position] ?? NEVER,
    reachedFrom: (position) => reached[position] ?? NEVER,
    isAsked: (position) => asked.has(position),
  };
}

function* checkAcknowledged(appends: readonly AppendOperation[], { textAt }: Timeline): Generator<Violation> {
  const owners = new Map<number, string>();
  for (const { text, after, outcome } of appends) {
    if (outcome.kind !== 'acknowledged') continue;
    const { position } = outcome;
    const owner = owners.get(position) ?? text;
    owners.set(position, owner);
    if (owner !== text)
      yield {
        kind: 'two-acknowledged',
        position,
        what: `"${owner}" and "${text}" were both acknowledged at ${position}`,
      };
    if (position !== after + 1)
      yield {
        kind: 'acknowledged-elsewhere',
        position,
        what: `"${text}" went behind ${after} and was acknowledged at ${position}`,
      };
    const found = textAt(position);
    if (found !== text) {
      const there = found === undefined ? 'nothing' : `"${found}"`;
      yield {
        kind: 'acknowledged-but-lost',
        position,
        what: `"${text}" was acknowledged at ${position}, where ${there} is`,
      };
    }
  }
}

function* checkRefused(appends: readonly AppendOperation[], timeline: Timeline): Generator<Violation> {
  for (const { text, after, outcome, began, ended } of appends) {
    if (outcome.kind !== 'conflict' && outcome.kind !== 'refused') continue;
    const position = after + 1;
    const found = timeline.textAt(position);
    const writtenFrom = timeline.writtenFrom(position);
    const couldBeBeyond = after > 0 && !(timeline.reachedFrom(after) < began);
    // Nothing but these bytes was ever here: a conflict can only have been with themselves.
    const isWithItself = outcome.kind === 'conflict' && !couldBeBeyond;
    if (found === text) {
      // Another try of the same bytes may have written them.
      if (writtenFrom < NEVER && !isWithItself) continue;
      const what = `"${text}" was reported as failed (${outcome.kind}) and is at ${position}`;
      yield { kind: 'failed-but-present', position, what };
      continue;
    }
    const couldBeTaken = found !== undefined && (writtenFrom === NEVER || writtenFrom < ended);
    if (outcome.kind === 'refused' || couldBeBeyond || couldBeTaken) continue;
    const what = `"${text}" was told that ${position} is taken, and it was free`;
    yield { kind: 'groundless-conflict', position, what };
  }
}

function* checkOrder(log: readonly string[], timeline: Timeline): Generator<Violation> {
  for (let position = 1; position <= log.length; position += 1) {
    const writtenFrom = timeline.writtenFrom(position);
    if (writtenFrom === NEVER) {
      if (timeline.isAsked(position)) continue;
      const what = `"${log[position - 1]}" is at ${position}, and nobody appended it there`;
      yield { kind: 'unexplained', position, what };
    } else if (timeline.reachedFrom(position + 1) < writtenFrom) {
      const what = `the append at ${position} began after a later position was known to be written`;
      yield { kind: 'out-of-order', position, what };
    }
  }
}

/** The highest position that was known to be written before `moment`. */
function headBefore(moment: number, head: number, { reachedFrom }: Timeline): number {
  let low = 0;
  for (let high = head; low < high; ) {
    const middle = Math.ceil((low + high) / 2);
    if (reachedFrom(middle) < moment) low = middle;
    else high = middle - 1;
  }
  return low;
}

function* checkPage({ after, consistent, seen, end }: ReadOperation, { textAt }: Timeline): Generator<Violation> {
  let last = after;
  for (const { position, text } of seen) {
    if (position <= last) {
      yield { kind: 'page-disorder', position, what: `a page behind ${after} had ${position} after ${last}` };
    } else if (consistent && position !== last + 1) {
      yield { kind: 'page-gap', position, what: `a page behind ${after} had ${position} after ${last}` };
    }
    if (textAt(position) !== text)
      yield {
        kind: 'foreign-read',
        position,
        what: `a page had "${text}" at ${position}, where the log has other bytes`,
      };
    last = Math.max(last, position);
  }
  if (!end && seen.length === 0)
    yield { kind: 'page-without-progress', position: after, what: `a page behind ${after} was empty and not the end` };
}

/**
 * Compares what callers saw of one stream with what the log holds in the end, in n log n time: returns everything that the port's
 * obligations exclude, and nothing when the history is sound.
 *
 * `operations` MUST hold every append that was tried on the stream, in any order; `log` is its text from position 1 on.
 */
export function checkHistory(operations: readonly Operation[], log: readonly string[]): Violation[] {
  const timeline = createTimeline(operations, log);
  const appends = operations.filter(isAppend);
  const violations = [
    ...checkAcknowledged(appends, timeline),
    ...checkRefused(appends, timeline),
    ...checkOrder(log, timeline),
  ];
  for (const read of operations.filter(isRead)) {
    violations.push(...checkPage(read, timeline));
    const last = read.seen.at(-1)?.position ?? read.after;
    const head = headBefore(read.began, log.length, timeline);
    if (read.consistent && read.end && last < head) {
      const what = `a consistent read behind ${read.after} ended at ${last}, after ${head} was known to be written`;
      violations.push({ kind: 'stale-read', position: head, what });
    }
  }
  return violations;
}
