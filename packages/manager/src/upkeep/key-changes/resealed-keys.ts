/** The file of private keys that were sealed again: who can open them makes it, and a manager appends it. */
import { createHash } from 'node:crypto';
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
const end = v.strictObject({ end: v.pipe(v.number(), v.safeInteger(), v.minValue(0)), sha256: v.string() });

function malformed(): ManagerError {
  const what =
    'This is not a file of keys that were sealed again, as "certbus recipient reseal" writes it, or it ends early, or was changed on the way. Copy it again, or make it again.';
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

/** SHA-256 of lines, each with the line feed behind it, as they come. */
function createDigest() {
  const hash = createHash('sha256');
  return {
    take(line: string): string {
      hash.update(`${line}\n`);
      return line;
    },
    end: (): string => hash.digest('hex'),
  };
}

/**
 * The lines of such a file: what the keys are sealed for, each key, and at the end how many they are and the SHA-256 of all lines before, so
 * that one that ends early or was damaged is seen. `onEnd` takes that hash, in hexadecimal.
 */
export async function* formatResealedKeys(
  { busId, recipientsPosition }: ResealedFor,
  keys: AsyncIterable<ResealedKey>,
  { onEnd }: { readonly onEnd?: (sha256: string) => void } = {},
): AsyncGenerator<string> {
  const digest = createDigest();
  yield digest.take(JSON.stringify({ certbusResealedKeys: 1, bus: busId, recipientsPosition }));
  let count = 0;
  for await (const { certificateId, leafHash, sealedKey } of keys) {
    count += 1;
    yield digest.take(JSON.stringify({ certificateId, leafHash, sealedKey }));
  }
  const sha256 = digest.end();
  yield JSON.stringify({ end: count, sha256 });
  onEnd?.(sha256);
}

/** The keys of a file that is read line by line. */
async function* readKeys(
  lines: AsyncIterator<string>,
  digest: ReturnType<typeof createDigest>,
): AsyncGenerator<ResealedKey, string> {
  try {
    for (let count = 0; ; count += 1) {
      const { done, value: line } = await lines.next();
      if (done) throw malformed();
      if (!line.startsWith('{"end"')) {
        yield parse(digest.take(line), key);
        continue;
      }
      const said = parse(line, end);
      const sha256 = digest.end();
      if (said.end !== count || said.sha256 !== sha256) throw malformed();
      return sha256;
    }
  } finally {
    await lines.return?.();
  }
}

/**
 * Reads the lines of such a file as they come. Rejects `CERTBUS_MANAGER_REQUEST_MALFORMED`, the keys as well, also where the file ends early
 * or its hash is another: {@link checkResealedKeys} shows that before anything of it is used. The lines are given back at the end of the keys.
 */
export async function parseResealedKeys(
  text: AsyncIterable<string>,
): Promise<{ readonly for: ResealedFor; readonly keys: AsyncGenerator<ResealedKey, string> }> {
  const lines = text[Symbol.asyncIterator]();
  const { value: first, done } = await lines.next();
  try {
    const { bus: busId, recipientsPosition } = parse(done ? undefined : first, header);
    const digest = createDigest();
    digest.take(String(first));
    return { for: { busId, recipientsPosition }, keys: readKeys(lines, digest) };
  } catch (error) {
    await lines.return?.();
    throw error;
  }
}

/**
 * Reads such a file to its end. The result is the hash at its end, in hexadecimal, which the one who made it was shown: one who changes the file
 * on purpose changes the hash with it. Rejects `CERTBUS_MANAGER_REQUEST_MALFORMED`.
 */
export async function checkResealedKeys(text: AsyncIterable<string>): Promise<string> {
  const { keys } = await parseResealedKeys(text);
  for (;;) {
    const next = await keys.next();
    if (next.done) return next.value;
  }
}
