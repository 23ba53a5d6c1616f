/** A test vector: a bus, and what a verifier must find. Its JSON is described in packages/events/vectors/README.md. */
import type { EventsErrorCode } from '../errors.ts';
import {
  BEGINNING,
  belowFloor,
  type Checkpoint,
  type Commit,
  contradictionOfFloor,
  isBelowFloor,
  isRewritten,
  verifyCommits,
} from '../history/index.ts';
import { type Floor, formatTrust } from '../trust.ts';
import type { Draft, Stored } from './draft.builders.ts';
import type { World } from './world.builders.ts';

/** How to make one vector. */
export interface Recipe {
  readonly name: string;
  /** What it shows, for people. */
  readonly about: string;
  /** Why it is refused; absent where it is accepted. */
  readonly reason?: EventsErrorCode;
  /** Which commit is refused; default the last one. One that is not the last is accepted where one signature a segment is checked. */
  readonly position?: number;
  /** Void events that it has where it is accepted, `POSITION TYPE`; absent for none. */
  readonly voided?: readonly string[];
  /** What readers of this release do not know in it; absent for nothing. */
  readonly unknown?: readonly string[];
  /** The floor of its trust; absent for none. */
  floor?(draft: Draft): Floor;
  write(world: World): Draft;
}

/** What a verifier finds. */
export type Finding =
  | {
      readonly verdict: 'accepted';
      readonly end: Checkpoint;
      readonly voided: readonly { readonly position: number; readonly type: string }[];
      readonly unknown: readonly string[];
    }
  | {
      readonly verdict: 'refused';
      readonly position: number;
      readonly reason: string;
      /** What is proved before it. */
      readonly end: Checkpoint;
    };

/** A test vector as it is in a file. */
export interface Vector {
  readonly name: string;
  readonly about: string;
  readonly trust: string;
  readonly commits: readonly { readonly position: number; readonly bytes: string }[];
  readonly expect: Finding;
  /** What a reader finds that checks one signature a segment, with all commits in one page; absent where that is the same. */
  readonly expectBySegment?: Finding;
}

/** What the packages find in a bus. */
export function findingOf(world: Pick<World, 'trust'>, stored: readonly Stored[], everySignature = true): Finding {
  const once = verifyCommits(world.trust, BEGINNING, stored, { everySignature });
  // What an expulsion makes void was read before it.
  const { expelled } = once.checkpoint;
  const { commits, checkpoint, refused } = isRewritten(BEGINNING, once.checkpoint)
    ? verifyCommits(world.trust, { ...BEGINNING, expelled }, stored, { everySignature })
    : once;
  const below = isBelowFloor(world.trust, checkpoint) ? belowFloor(world.trust, checkpoint) : undefined;
  const problem = refused ?? contradictionOfFloor(world.trust, BEGINNING, { commits, checkpoint }) ?? below;
  if (problem) return { verdict: 'refused', position: problem.position, reason: problem.code, end: checkpoint };
  return { verdict: 'accepted', end: checkpoint, voided: voidedIn(commits), unknown: unknownIn(commits) };
}

const voidedIn = (commits: readonly Commit[]) =>
  commits.flatMap(({ position, events }) =>
    events.flatMap(({ type, event, broken, distrusted }) =>
      broken !== undefined || (distrusted && !event) ? [{ position, type }] : [],
    ),
  );

const unknownIn = (commits: readonly Commit[]) => [
  ...new Set(commits.flatMap(({ events }) => events.flatMap(({ unknown }) => unknown))),
];

/** The commits of a vector. */
export const storedIn = (vector: Pick<Vector, 'commits'>): Stored[] =>
  vector.commits.map(({ position, bytes }) => ({ position, bytes: Buffer.from(bytes, 'base64') }));

/** Makes a vector. Throws where the packages do not find what its recipe says. */
export function makeVector(recipe: Recipe, world: World): Vector {
  const { name, about } = recipe;
  const draft = recipe.write(world);
  const { stored } = draft;
  const trust = { ...world.trust, floor: recipe.floor?.(draft) };
  const expect = findingOf({ trust }, stored);
  checkFinding(recipe, stored, expect);
  const bySegment = findingOf({ trust }, stored, false);
  if (bySegment.verdict !== expect.verdict) {
    if (recipe.position === undefined)
      throw new Error(`${name}: ${bySegment.verdict} where one signature a segment is checked`);
    const { reason: _, ...accepted } = recipe;
    checkFinding(accepted, stored, bySegment);
  }
  const commits = stored.map(({ position, bytes }) => ({ position, bytes: Buffer.from(bytes).toString('base64') }));
  const vector = { name, about, trust: formatTrust(trust), commits, expect };
  return bySegment.verdict === expect.verdict ? vector : { ...vector, expectBySegment: bySegment };
}

function checkFinding(recipe: Recipe, stored: readonly Stored[], found: Finding): void {
  const { name, reason, position = stored.at(-1)?.position, voided = [], unknown = [] } = recipe;
  const shown =
    found.verdict === 'refused'
      ? { position: found.position, reason: found.reason }
      : { voided: found.voided.map((each) => `${each.position} ${each.type}`), unknown: found.unknown };
  const wanted = reason ? { position, reason } : { voided, unknown };
  if (JSON.stringify(shown) === JSON.stringify(wanted)) return;
  throw new Error(`${name}: found ${JSON.stringify(shown)}, not ${JSON.stringify(wanted)}`);
}
