/** Signs DNS messages, and checks their signatures (RFC 8945). */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { decode, encode } from 'dns-packet';

/** Algorithms that sign updates here (RFC 8945 §6). */
export type TsigAlgorithm = 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512';

/** A key that a server and its clients share. */
export interface TsigKey {
  readonly name: string;
  readonly algorithm: TsigAlgorithm;
  readonly secret: Uint8Array;
}

/** A signed message, and what its answer is verified with. */
export interface SignedMessage {
  readonly message: Buffer;
  readonly mac: Buffer;
}

/** What the TSIG record of an answer says (RFC 8945 §4.2). */
export interface TsigVerdict {
  /** 0, or BADSIG (16), BADKEY (17), BADTIME (18), BADTRUNC (22). */
  readonly error: number;
  /** Whether the answer is from somebody who has the key, is for our request, and of now. */
  readonly isGenuine: boolean;
  /** The server's clock, where it refuses ours. */
  readonly serverTime: Date | undefined;
}

interface TsigData {
  readonly algorithm: string;
  readonly timeS: number;
  readonly fudgeS: number;
  readonly mac: Buffer;
  readonly originalId: number;
  readonly error: number;
  readonly other: Buffer;
}

const FUDGE_S = 300;
const HEADER_BYTES = 12;
const ARCOUNT_AT = 10;
const CLASS_ANY = 255;
const HASHES = { 'hmac-sha256': 'sha256', 'hmac-sha384': 'sha384', 'hmac-sha512': 'sha512' } as const;

function numbers(...values: readonly { readonly bytes: 2 | 4 | 6; readonly value: number }[]): Buffer {
  return Buffer.concat(
    values.map(({ bytes, value }) => {
      const buffer = Buffer.alloc(bytes);
      buffer.writeUIntBE(value, 0, bytes);
      return buffer;
    }),
  );
}

/** A name on the wire, in the canonical form: lower case, without compression. */
function wireName(name: string): Buffer {
  return encode({ questions: [{ name: name.toLowerCase(), type: 'A' }] }).subarray(HEADER_BYTES, -4);
}

function withCount(message: Buffer, change: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(copy.readUInt16BE(ARCOUNT_AT) + change, ARCOUNT_AT);
  return copy;
}

/** The variables that are signed together with the message (RFC 8945 §4.3.3). */
function signedVariables(
  key: TsigKey,
  { timeS, fudgeS, error, other }: Omit<TsigData, 'mac' | 'originalId' | 'algorithm'>,
) {
  return Buffer.concat([
    wireName(key.name),
    numbers({ bytes: 2, value: CLASS_ANY }, { bytes: 4, value: 0 }),
    wireName(key.algorithm),
    numbers(
      { bytes: 6, value: timeS },
      { bytes: 2, value: fudgeS },
      { bytes: 2, value: error },
      { bytes: 2, value: other.length },
    ),
    other,
  ]);
}

function macOf({ algorithm, secret }: TsigKey, parts: readonly Uint8Array[]): Buffer {
  const hmac = createHmac(HASHES[algorithm], secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

/** Signs a message (RFC 8945 §5.1). */
export function sign(message: Buffer, key: TsigKey, now: Date): SignedMessage {
  const variables = { timeS: Math.floor(now.getTime() / 1000), fudgeS: FUDGE_S, error: 0, other: Buffer.alloc(0) };
  const mac = macOf(key, [message, signedVariables(key, variables)]);
  const data = Buffer.concat([
    wireName(key.algorithm),
    numbers({ bytes: 6, value: variables.timeS }, { bytes: 2, value: FUDGE_S }, { bytes: 2, value: mac.length }),
    mac,
    numbers({ bytes: 2, value: message.readUInt16BE(0) }, { bytes: 2, value: 0 }, { bytes: 2, value: 0 }),
  ]);
  const record = encode({ additionals: [{ name: key.name, type: 'TSIG', class: 'ANY', ttl: 0, data }] });
  return { message: Buffer.concat([withCount(message, 1), record.subarray(HEADER_BYTES)]), mac };
}

/** Reads the data of a TSIG record; throws where it is cut short. */
function parseData(data: Buffer): TsigData {
  let at = 0;
  const labels: string[] = [];
  for (let length = data.readUInt8(at); length > 0; length = data.readUInt8(at)) {
    labels.push(data.toString('latin1', at + 1, at + 1 + length).toLowerCase());
    at += length + 1;
  }
  at += 1;
  const take = (bytes: 2 | 6): number => {
    const value = data.readUIntBE(at, bytes);
    at += bytes;
    return value;
  };
  const takeBytes = (): Buffer => {
    const length = take(2);
    if (at + length > data.length) throw new RangeError('the TSIG record is cut short');
    at += length;
    return data.subarray(at - length, at);
  };
  const tsig = {
    algorithm: labels.join('.'),
    timeS: take(6),
    fudgeS: take(2),
    mac: takeBytes(),
    originalId: take(2),
    error: take(2),
    other: takeBytes(),
  };
  if (at !== data.length) throw new RangeError('the TSIG record is too long');
  return tsig;
}

/**
 * What the TSIG record of an answer says, and whether it verifies (RFC 8945 §5.3). `undefined` for an answer without one. Throws
 * for an answer that is not a DNS message.
 */
export function verify(answer: Buffer, request: SignedMessage, key: TsigKey, now: Date): TsigVerdict | undefined {
  const last = decode(answer).additionals?.at(-1);
  if (decode.bytes !== answer.length) throw new RangeError('the answer is not as long as it says');
  if (last?.type !== 'TSIG' || !Buffer.isBuffer(last.data)) return undefined;
  const tsig = parseData(last.data);
  const unsigned = withCount(answer, -1);
  decode(unsigned);
  const signed = unsigned.subarray(0, decode.bytes);
  signed.writeUInt16BE(tsig.originalId, 0);
  const expected = macOf(key, [
    numbers({ bytes: 2, value: request.mac.length }),
    request.mac,
    signed,
    signedVariables(key, tsig),
  ]);
  const isPlain = last.class === 'ANY' && !last.flush && last.ttl === 0;
  const isOfKey = last.name.toLowerCase() === key.name.toLowerCase() && tsig.algorithm === key.algorithm;
  const isOfNow = Math.abs(now.getTime() / 1000 - tsig.timeS) <= tsig.fudgeS + 1;
  const isMac = tsig.mac.length === expected.length && timingSafeEqual(tsig.mac, expected);
  const serverTime = tsig.other.length === 6 ? new Date(tsig.other.readUIntBE(0, 6) * 1000) : undefined;
  return { error: tsig.error, isGenuine: isPlain && isOfKey && isOfNow && isMac, serverTime };
}
