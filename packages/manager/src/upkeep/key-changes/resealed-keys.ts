/** The file of private keys that were sealed again: who can open them makes it, and a manager appends it. */
import { isHash } from '@certbus/events';
import * as v from 'valibot';
import { ManagerError } from '../../errors.ts';

/** What keys were sealed for. */
export interface ResealedFor {
  readonly busId: string;
  /** Position of the recipients that they are sealed to. */
  readonly recipientsPosition: number;
}

/** A private key that was sealed again. */
export interface ResealedKey {
  readonly certificateId: string;
  /** SHA-256 of the leaf, base64url. */
  readonly leafHash: string;
  /** PKCS#8 PEM as an age file, base64. */
  readonly sealedKey: string;
}

/** A key that is sealed to twenty recipients is a tenth of it. */
const MAX_LINE = 65_536;

const header = v.strictObject({
  certbusResealedKeys: v.literal(1),
  bus: v.pipe(v.string(), v.check(isHash)),
  recipientsPosition: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
});
const key = v.strictObject({
  certificateId: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_][\w-]{7,31}$/)),
  leafHash: v.pipe(v.string(), v.check(isHash)),
  sealedKey: v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]+={0,2}$/)),
});
const end = v.strictObject({ end: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) });

function malformed(): ManagerError {
  const what =
    'This is not a file of keys that were sealed again, as "certbus recipient reseal" writes it, or it ends early. Copy it again, or make it again.';
  return new ManagerError('CERTBUS_MANAGER_REQUEST_MALFORMED', what);
}

function parse<Output>(line: string | undefined, schema: v.GenericSchema<unknown, Output>): Output {
  try {
    if (line !== undefined && line.length <= MAX_LINE) return v.parse(schema, JSON.parse(line));
  } catch {
    // The parser's error is dropped: it quotes its input.
  }
  throw malformed();
}

/** The lines of such a file: what the keys are sealed for, each key, and how many they are, so that one that ends early is seen. */
export async function* formatResealedKeys(
  { busId, recipientsPosition }: ResealedFor,
  keys: AsyncIterable<ResealedKey>,
): AsyncGenerator<string> {
  yield JSON.stringify({ certbusResealedKeys: 1, bus: busId, recipientsPosition });
  let count = 0;
  for await (const { certificateId, leafHash, sealedKey } of keys) {
    count += 1;
    yield JSON.stringify({ certificateId, leafHash, sealedKey });
  }
  yield JSON.stringify({ end: count });
}

/** The keys of a file that is read line by line. */
async function* readKeys(lines: AsyncIterator<string>): AsyncGenerator<ResealedKey> {
  for (let count = 0; ; count += 1) {
    const { done, value: line } = await lines.next();
    if (done) throw malformed();
    if (!line.startsWith('{"end"')) {
      yield parse(line, key);
      continue;
    }
    if (parse(line, end).end !== count) throw malformed();
    return;
  }
}

/**
 * Reads the lines of such a file as they come. Rejects `CERTBUS_MANAGER_REQUEST_MALFORMED`, the keys as well, also where the file ends early.
 */
export async function parseResealedKeys(
  text: AsyncIterable<string>,
): Promise<{ readonly for: ResealedFor; readonly keys: AsyncIterable<ResealedKey> }> {
  const lines = text[Symbol.asyncIterator]();
  const { value: first, done } = await lines.next();
  const { bus: busId, recipientsPosition } = parse(done ? undefined : first, header);
  return { for: { busId, recipientsPosition }, keys: readKeys(lines) };
}
