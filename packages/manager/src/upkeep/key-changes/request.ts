/** The files that travel between a manager and the machine that holds the root key: what is asked for, and what was signed. */
import { createId } from '@certbus/events';
import { type PlacedRootEvent, type RootBody, type RootEnvelope, readEvent } from '@certbus/events/history';
import * as v from 'valibot';
import { changeKeys, type KeyChange } from '../../decide/key-changes.ts';
import { ManagerError } from '../../errors.ts';
import type { RootState } from '../../state/root-history.ts';
import { checkSealable } from './sealable.ts';

/** What a manager asks the root to sign. */
export interface RootRequest {
  readonly id: string;
  readonly busId: string;
  /** Every root event of the bus so far: the root recognises its own signatures, and so knows what is in force without the bus. */
  readonly rootEvents: readonly PlacedRootEvent[];
  /** What is to be signed, in order. */
  readonly changes: readonly RootBody[];
}

/** What the root signed. */
export interface RootReply {
  /** Id of the request. */
  readonly request: string;
  readonly busId: string;
  /** What a manager appends, in one commit. */
  readonly rootEvents: readonly RootEnvelope[];
}

/** Hundreds of changes of keys of a hundred managers have room in it. */
const MAX_BYTES = 8_000_000;
/** A change of the list of managers, and an expulsion with it. */
const MAX_CHANGES = 4;

/** What a request can ask for: who manages, and who opens. A restore and a new format are recorded by commands of their own. */
const ASKED = ['ManagersUpdated', 'ManagerExpelled', 'RecipientsUpdated'] as const;

const id = v.pipe(v.string(), v.regex(/^[\w-]{8,32}$/));
const busId = v.pipe(v.string(), v.regex(/^[\w-]{43}$/));
const envelope = v.object({
  type: v.pipe(v.string(), v.maxLength(80)),
  rootSequence: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  body: v.string(),
  rootSignature: v.string(),
});
const position = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const request = v.strictObject({
  certbusRootRequest: v.literal(1),
  id,
  bus: busId,
  rootEvents: v.pipe(v.array(v.strictObject({ position, root: envelope })), v.nonEmpty(), v.maxLength(10_000)),
  changes: v.pipe(v.array(v.looseObject({ type: v.picklist(ASKED) })), v.nonEmpty(), v.maxLength(MAX_CHANGES)),
});
const reply = v.strictObject({
  certbusRootReply: v.literal(1),
  request: id,
  bus: busId,
  rootEvents: v.pipe(v.array(envelope), v.nonEmpty(), v.maxLength(MAX_CHANGES)),
});

const WHAT = {
  request: 'a request to the root key, as "certbus manager" and "certbus recipient" write it with --request',
  reply: 'an answer of the root key, as "certbus root sign" writes it',
} as const;

function malformed(what: keyof typeof WHAT, cause?: unknown): ManagerError {
  const message = `This is not ${WHAT[what]}, or it was changed on the way. Was another file given? Copy it again.`;
  return new ManagerError('CERTBUS_MANAGER_REQUEST_MALFORMED', message, { cause });
}

/** The parser's error is dropped: it quotes its input, which can be any file that a name leads to. */
function parse<Output>(text: string, what: keyof typeof WHAT, schema: v.GenericSchema<unknown, Output>): Output {
  if (text.length > MAX_BYTES) throw malformed(what);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw malformed(what);
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) throw malformed(what);
  return parsed.output;
}

/** A change as the bus would read it, field by field: what is shown is what is signed, and nothing beside it. */
function readChange(raw: { readonly type: string }): RootBody {
  const { type } = raw;
  try {
    const { event, unknown } = readEvent({
      type,
      rootSequence: 1,
      body: JSON.stringify(raw),
      rootSignature: Buffer.alloc(64).toString('base64url'),
    } as RootEnvelope);
    if (event && unknown.length === 0 && ASKED.some((asked) => asked === event.type)) {
      const { rootSequence: _, ...body } = event as typeof event & { readonly rootSequence: number };
      return body as RootBody;
    }
  } catch (cause) {
    throw malformed('request', cause);
  }
  throw malformed('request');
}

/**
 * Makes the request for a change, with an id of its own; `undefined` where the change is in force already. Rejects as {@link changeKeys}
 * throws, and `CERTBUS_EVENTS_RECIPIENTS_INVALID` for what nothing can be sealed to.
 */
export async function requestChange(
  { checkpoint, rootEvents }: RootState,
  busId: string,
  change: KeyChange,
): Promise<RootRequest | undefined> {
  const changes = changeKeys(checkpoint, change);
  for (const body of changes) await checkSealable(checkpoint, body);
  return changes.length === 0 ? undefined : { id: createId(), busId, rootEvents, changes };
}

/** The text of a request's file. */
export function formatRequest({ id, busId, rootEvents, changes }: RootRequest): string {
  return `${JSON.stringify({ certbusRootRequest: 1, id, bus: busId, rootEvents, changes }, undefined, 1)}\n`;
}

/** Reads the text of a request's file. Throws `CERTBUS_MANAGER_REQUEST_MALFORMED`. Nothing of it is proved by that. */
export function parseRequest(text: string): RootRequest {
  const { id, bus, rootEvents, changes } = parse(text, 'request', request);
  return { id, busId: bus, rootEvents, changes: changes.map(readChange) };
}

/** The text of a reply's file. */
export function formatReply({ request, busId, rootEvents }: RootReply): string {
  return `${JSON.stringify({ certbusRootReply: 1, request, bus: busId, rootEvents }, undefined, 1)}\n`;
}

/** Reads the text of a reply's file. Throws `CERTBUS_MANAGER_REQUEST_MALFORMED`. Nothing of it is proved by that. */
export function parseReply(text: string): RootReply {
  const { request, bus, rootEvents } = parse(text, 'reply', reply);
  for (const root of rootEvents) {
    try {
      readEvent(root);
    } catch (cause) {
      throw malformed('reply', cause);
    }
  }
  return { request, busId: bus, rootEvents };
}

/** Whether the root signed with a reply what a request asks for, and nothing else. */
export function isReplyTo({ request, busId, rootEvents }: RootReply, asked: RootRequest): boolean {
  const bodies = asked.changes.map((body) => JSON.stringify(body));
  const signed = rootEvents.map(({ body }) => body);
  return request === asked.id && busId === asked.busId && JSON.stringify(bodies) === JSON.stringify(signed);
}
