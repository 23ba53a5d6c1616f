/** The bytes of a commit: writes and signs them, reads them. */
import { isAscii } from 'node:buffer';
import * as v from 'valibot';
import { base64url, hash, isBase64url } from '../canonical.ts';
import { EventsError, harmless } from '../errors.ts';
import { type BusEvent, isKnownType, parseEvent } from '../event-types/event-schema.ts';
import { instant } from '../event-types/fields.ts';
import { sha256 } from '../hash.ts';
import { isSignatureOf, SIGNATURE_BYTES, type Signer } from '../keys.ts';
import { findDuplicateKey } from './duplicate-keys.ts';
import { brokenRule, type EventPlace } from './event-rules.ts';
import type { RootEnvelope, RootEvent } from './root-event.ts';

/** The highest format that this release reads and writes; a bus begins with 1 and is raised by `FormatRaised`. */
export const FORMAT = 1;

/** An event as it is written into a commit: plain, or in the root's signed envelope. */
export type WrittenEvent = Exclude<BusEvent, RootEvent> | RootEnvelope;

/** An event as it is read from a commit. */
export interface ReadEvent {
  readonly type: string;
  /** `undefined` when this release does not know the type, or the event is void. */
  readonly event: BusEvent | undefined;
  /** Which rule the event breaks where it stands, or which of its fields is wrong, so that it is void; see {@link brokenRule}. */
  readonly broken?: string;
  /** An expelled manager wrote it, from the first position on that is not trusted: void, but for certificates and issuers. */
  readonly distrusted?: true;
  /** Present where the event came in the root's envelope. */
  readonly root?: RootEnvelope;
  /** `Type` or `Type.field` of what this release does not know. */
  readonly unknown: readonly string[];
}

/** The content of a commit, before it is signed. */
export interface CommitContent {
  /** The format in force on the bus. */
  readonly format: number;
  readonly bus: string;
  readonly position: number;
  /** Hash of the commit before, `null` at position 1. */
  readonly previous: string | null;
  readonly at: Date;
  /** Name of the manager that signs; `root` where the root does. */
  readonly by: string;
  readonly events: readonly WrittenEvent[];
}

/** A commit, decoded. Its signature and its place in the history are not checked yet. */
export interface Commit {
  readonly format: number;
  readonly bus: string;
  /** 128 random bits, base64url: equal content signed twice is two commits. */
  readonly id: string;
  readonly position: number;
  readonly previous: string | null;
  readonly at: Date;
  readonly by: string;
  readonly events: readonly ReadEvent[];
  readonly keyId: string;
  /** SHA-256 of the whole commit, base64url. */
  readonly hash: string;
}

const SIGNED_CONTEXT = Buffer.from('certbus/commit/v1\0');
const NEWLINE = 0x0a;
/** The limit of an item in DynamoDB; our own logs take less. Parsing costs a hundred times the size, and anyone may have written it. */
const MAX_BYTES = 400_000;
const integer = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const header = v.looseObject({ format: integer });
const payload = v.object({
  format: integer,
  bus: hash,
  id: base64url(16),
  position: integer,
  previous: v.nullable(hash),
  at: instant,
  by: v.pipe(v.string(), v.maxLength(4096)),
  events: v.pipe(v.array(v.looseObject({ type: v.string() })), v.nonEmpty()),
});
const envelope = v.object({
  type: v.string(),
  rootSequence: integer,
  body: v.string(),
  rootSignature: base64url(SIGNATURE_BYTES),
});

function malformed(what: string): EventsError {
  return new EventsError('CERTBUS_EVENTS_COMMIT_MALFORMED', what);
}

/** Writes and signs a commit: one line of JSON, one line `KEYID SIGNATURE`. */
export function encodeCommit(content: CommitContent, signer: Signer): Uint8Array {
  const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
  const { format, bus, position, previous, at, by, events } = content;
  const line = JSON.stringify({ format, bus, id, position, previous, at: at.toISOString(), by, events });
  const signature = signer.sign(Buffer.concat([SIGNED_CONTEXT, Buffer.from(line)]));
  return Buffer.from(`${line}\n${signer.keyId} ${Buffer.from(signature).toString('base64url')}\n`);
}

/** The two lines of a commit. Nothing of the payload is parsed, and nothing is proved. */
export interface CommitLines {
  /** The payload, without its newline. */
  readonly line: Uint8Array;
  readonly keyId: string;
  readonly signature: Uint8Array;
}

/** Splits a commit into its lines. Throws `CERTBUS_EVENTS_COMMIT_MALFORMED`. */
export function splitCommit(bytes: Uint8Array): CommitLines {
  if (bytes.length > MAX_BYTES) throw malformed(`it has ${bytes.length} bytes, and no commit has over ${MAX_BYTES}`);
  const { buffer, byteOffset, length } = bytes;
  const text = Buffer.from(buffer, byteOffset, length);
  const end = text.indexOf(NEWLINE);
  const rest = text.toString('latin1', end + 1);
  const match = end < 0 ? null : /^([0-9a-f]{16}) ([\w-]+)\n$/.exec(rest);
  if (!match?.[1] || !match[2] || !isBase64url(match[2], SIGNATURE_BYTES))
    throw malformed('a commit is two lines, the payload and "KEYID SIGNATURE"');
  return { line: bytes.subarray(0, end), keyId: match[1], signature: Buffer.from(match[2], 'base64url') };
}

/** The bus that a commit's text names where {@link encodeCommit} writes it, for a message: nobody has vouched for it. */
export function claimedBus(bytes: Uint8Array): string | undefined {
  const beginning = Buffer.from(bytes.subarray(0, 100)).toString('latin1');
  return /^\{"format":\d{1,16},"bus":"([\w-]{43})"/.exec(beginning)?.[1];
}

function parseJson(line: Uint8Array): unknown {
  let text: string;
  let value: unknown;
  try {
    // Nearly every commit is ASCII, which needs no decoder.
    text = isAscii(line)
      ? Buffer.from(line.buffer, line.byteOffset, line.length).toString('latin1')
      : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line);
    value = JSON.parse(text);
  } catch {
    // The parser's error is dropped: it quotes its input.
    throw malformed('the payload is not JSON in UTF-8');
  }
  const key = findDuplicateKey(text);
  if (key !== undefined)
    throw malformed(`the payload has the key ${JSON.stringify(key.slice(0, 80))} twice in one object`);
  return value;
}

function readRootEvent(raw: object): ReadEvent {
  const root = v.safeParse(envelope, raw);
  if (!root.success) throw malformed('a root event lacks rootSequence, body or rootSignature');
  const body = parseJson(Buffer.from(root.output.body));
  if (typeof body !== 'object' || body === null || !('type' in body) || body.type !== root.output.type) {
    throw malformed('the body of a root event has another type than its envelope');
  }
  return {
    ...refuseBroken(readPlainEvent(root.output.type, { ...body, rootSequence: root.output.rootSequence })),
    root: root.output,
  };
}

function readPlainEvent(type: string, raw: object): ReadEvent {
  if (!isKnownType(type)) return { type, event: undefined, unknown: [type.slice(0, 80)] };
  const parsed = parseEvent(type, raw);
  return parsed.event
    ? { type, event: parsed.event, unknown: parsed.unknownFields }
    : { type, event: undefined, broken: harmless(parsed.problem), unknown: [] };
}

function refuseBroken(read: ReadEvent): ReadEvent {
  if (read.broken !== undefined) throw malformed(read.broken);
  return read;
}

const needsRoot = new Set<string>([
  'ManagersUpdated',
  'ManagerExpelled',
  'RecipientsUpdated',
  'FormatRaised',
  'BusRestored',
] satisfies RootEvent['type'][]);

/** One event of a commit. One of a manager whose fields are wrong is void, as one that breaks a rule: see {@link brokenRule}. */
function readWrittenEvent(raw: { readonly type: string }): ReadEvent {
  if ('rootSignature' in raw) return readRootEvent(raw);
  if (needsRoot.has(raw.type)) throw malformed(`${raw.type} is not signed by the root`);
  return readPlainEvent(raw.type, raw);
}

/** Reads one event that is to be written in a commit. Throws `CERTBUS_EVENTS_COMMIT_MALFORMED`. */
export function readEvent(raw: { readonly type: string }): ReadEvent {
  return refuseBroken(readWrittenEvent(raw));
}

/** The event where it stands; without its content where it breaks a rule. */
function orVoid(read: ReadEvent, place: EventPlace): ReadEvent {
  const broken = read.event && brokenRule(read.event, place);
  return broken === undefined ? read : { ...read, event: undefined, broken };
}

/**
 * Reads a commit's bytes; does not check whether they are genuine. Throws `CERTBUS_EVENTS_COMMIT_MALFORMED`, and
 * `CERTBUS_EVENTS_FORMAT_UNKNOWN` for a format of a later release.
 */
export function decodeCommit(bytes: Uint8Array): Commit {
  return decodeLines(splitCommit(bytes), sha256(bytes));
}

/** Reads a commit that was split; `sum` is the hash of both lines. Throws as {@link decodeCommit}. */
export function decodeLines({ line, keyId }: CommitLines, sum: string): Commit {
  const value = parseJson(line);
  const { format } = parseShape(header, value);
  if (format > FORMAT) {
    throw new EventsError(
      'CERTBUS_EVENTS_FORMAT_UNKNOWN',
      `it has format ${format} and this release reads up to ${FORMAT}; upgrade this program`,
    );
  }
  const { bus, id, position, previous, at: signedAt, by, events } = parseShape(payload, value);
  const at = new Date(signedAt);
  return {
    format,
    bus,
    id,
    position,
    previous,
    at,
    by,
    events: events.map((raw) => orVoid(readWrittenEvent(raw), { position, at })),
    keyId,
    hash: sum,
  };
}

function parseShape<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  throw malformed(`the payload's ${v.getDotPath(parsed.issues[0]) ?? 'shape'} is wrong`);
}

/** Whether the holder of `publicKey` signed the payload of a commit that was split. */
export function isSignedLine(publicKey: string, { line, signature }: CommitLines): boolean {
  return isSignatureOf(publicKey, Buffer.concat([SIGNED_CONTEXT, line]), signature);
}

/** Whether the holder of `publicKey` signed these bytes of a commit. Throws `CERTBUS_EVENTS_COMMIT_MALFORMED`. */
export function isCommitSignedBy(publicKey: string, bytes: Uint8Array): boolean {
  return isSignedLine(publicKey, splitCommit(bytes));
}
