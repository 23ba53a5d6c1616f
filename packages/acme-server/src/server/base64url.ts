/** Reads base64url strictly. */
import { malformed } from './problem-document.ts';

/** Decodes base64url as RFC 8555 §6.1 wants it: without padding, without anything else. Throws `malformed`, naming `what`. */
export function decodeBase64Url(text: unknown, what: string): Buffer {
  if (typeof text !== 'string') throw malformed(`${what} must be a string`);
  const bytes = Buffer.from(text, 'base64url');
  // Node skips what does not belong; only the canonical text gives itself back.
  if (bytes.toString('base64url') !== text) throw malformed(`${what} is not base64url without padding`);
  return bytes;
}

/** Decodes base64url that holds a JSON object. Throws `malformed`, naming `what`. */
export function decodeJsonObject(text: unknown, what: string): Readonly<Record<string, unknown>> {
  return parseJsonObject(decodeBase64Url(text, what).toString(), what);
}

/** Parses a JSON object. Throws `malformed`, naming `what`. */
export function parseJsonObject(text: string, what: string): Readonly<Record<string, unknown>> {
  const value = parseJson(text, what);
  if (!isRecord(value)) throw malformed(`${what} is not a JSON object`);
  return value;
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed(`${what} is not JSON`);
  }
}

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
