/** Writes the buses of test vectors: good commits as the codec writes them, and bad ones byte by byte. */
import { sha256 } from '../hash.ts';
import { encodeCommit, type RootBody, type RootEnvelope, signRootEvent, type WrittenEvent } from '../history/index.ts';
import type { Signer } from '../keys.ts';
import { examplesOf, type Place } from './examples.builders.ts';
import type { Party, World } from './world.builders.ts';

/** A commit as a store has it. */
export interface Stored {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** The payload of a commit before it is JSON: anything at all. */
export type Payload = Readonly<Record<string, unknown>>;

/** How a commit is made, where it is not as it should be. */
export interface Forgery {
  /** Default: alice. */
  readonly by?: Party;
  /** Default: that of `by`. */
  readonly signer?: Signer;
  readonly at?: string;
  /** Changes fields of the payload; `undefined` leaves one out. */
  readonly payload?: Payload;
  /** Changes the payload's text. */
  readonly text?: (json: string) => string | Uint8Array;
  /** Changes what is signed. */
  readonly message?: (line: Uint8Array) => Uint8Array;
  /** Changes the whole commit. */
  readonly bytes?: (commit: Buffer) => Uint8Array;
  /** Where the store has it. */
  readonly storedAt?: number;
}

/** A bus that is being written. */
export interface Draft {
  readonly world: World;
  readonly stored: readonly Stored[];
  /** What the next commit is behind. */
  readonly place: Place;
  /** Signs a root event; `sequence` is the next one by default, which the draft then counts. */
  root(
    body: object,
    options?: { readonly sequence?: number; readonly signer?: Signer; readonly busId?: string },
  ): RootEnvelope;
  /** Appends a commit as a manager does. */
  write(events: readonly WrittenEvent[], options?: { readonly by?: Party }): Draft;
  /** Appends a commit that may be anything. */
  forge(events: readonly unknown[], forgery?: Forgery): Draft;
}

const START = Date.parse('2026-11-24T03:00:00Z');
const SIGNED_CONTEXT = Buffer.from('certbus/commit/v1\0');

/** When the commit at a position is signed: a minute after the one before. */
const timeOf = (position: number): Date => new Date(START + position * 60_000);

/** A bus that has its first commit. */
interface Begun {
  readonly bytes: Uint8Array;
  readonly rootSequence: number;
}

/** Begins a bus with nothing on it, or behind its first commit. */
export function emptyDraft(world: World, begun?: Begun): Draft {
  const stored: Stored[] = begun ? [{ position: 1, bytes: begun.bytes }] : [];
  const { root, alice, trust } = world;
  let hash: string | null = begun ? sha256(begun.bytes) : null;
  let rootSequence = begun?.rootSequence ?? 0;

  const put = (bytes: Uint8Array, position: number): void => {
    stored.push({ position, bytes });
    hash = sha256(bytes);
  };
  const draft: Draft = {
    world,
    stored,
    get place() {
      const position = stored.length;
      return { position, hash: hash ?? '', rootSequence: rootSequence + 1, at: timeOf(position + 1) };
    },
    root(body, { sequence, signer = root.signer, busId = trust.busId } = {}) {
      if (sequence === undefined || sequence > rootSequence) rootSequence = sequence ?? rootSequence + 1;
      return signRootEvent(signer, busId, sequence ?? rootSequence, body as RootBody);
    },
    write(events, { by = alice } = {}) {
      const position = stored.length + 1;
      const content = {
        format: 1,
        bus: trust.busId,
        position,
        previous: hash,
        at: timeOf(position),
        by: by.name,
        events,
      };
      put(encodeCommit(content, by.signer), position);
      return draft;
    },
    forge(events, forgery = {}) {
      const { by = alice, signer = by.signer, payload, text = (json) => json, message = (line) => line } = forgery;
      const { bytes = (commit) => commit } = forgery;
      const position = stored.length + 1;
      const at = forgery.at ?? timeOf(position).toISOString();
      const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
      const content = {
        format: 1,
        bus: trust.busId,
        id,
        position,
        previous: hash,
        at,
        by: by.name,
        events,
        ...payload,
      };
      const line = Buffer.from(text(JSON.stringify(content)));
      const signature = signer.sign(message(Buffer.concat([SIGNED_CONTEXT, line])));
      const second = Buffer.from(`\n${signer.keyId} ${Buffer.from(signature).toString('base64url')}\n`);
      put(bytes(Buffer.concat([line, second])), forgery.storedAt ?? position);
      return draft;
    },
  };
  return draft;
}

/** The events of a first commit. */
export function firstEvents(draft: Draft, managers: readonly Party[] = [draft.world.alice]): WrittenEvent[] {
  const { BusCreated } = examplesOf(draft.world, draft.place);
  return [
    BusCreated,
    draft.root({ type: 'ManagersUpdated', managers: managers.map(asManager) }),
    draft.root({ type: 'RecipientsUpdated', recipients: draft.world.recipients }),
  ];
}

/** How the root names a manager. */
export const asManager = ({ name, signer, recipient }: Party): object => ({
  name,
  signingKey: signer.publicKey,
  recipient,
});

/** The first commit that nearly all vectors of a world share, so that their files compress well. */
const shared = new WeakMap<World, Begun>();

/** Begins a bus whose manager is alice, or others. */
export function beginDraft(world: World, managers?: readonly Party[]): Draft {
  const known = managers ? undefined : shared.get(world);
  if (known) return emptyDraft(world, known);
  const draft = emptyDraft(world);
  draft.write(firstEvents(draft, managers), { by: world.root });
  const [first] = draft.stored;
  if (!managers && first) shared.set(world, { bytes: first.bytes, rootSequence: draft.place.rootSequence - 1 });
  return draft;
}

/** An event as it is written on a bus: in the root's envelope where it has a sequence. */
export function written(draft: Draft, event: object): WrittenEvent {
  if (!('rootSequence' in event)) return event as WrittenEvent;
  const { rootSequence, ...body } = event;
  const envelope = draft.root(body, { sequence: rootSequence as number });
  // Tests put in what is not a sequence.
  return { ...envelope, rootSequence: rootSequence as number };
}
