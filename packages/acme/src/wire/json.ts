/** Reads values out of JSON that a CA sent. */

/** Whether a parsed value is an object with named fields. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// What moves a cursor, ends a line or turns text round, as `clean` of @certbus/events, which this package cannot import; a test of
// @certbus/runtime holds the two together.
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]+/gu;
/** What a cut leaves of a pair of surrogates. */
const HALF_AT_END = /[\ud800-\udbff]$/;
const CHALLENGE_PATH = /(\/\.well-known\/acme-challenge\/)[\w-]+/g;
// Two segments and not three, so that the JWT in a link to lift a pause stays whole.
const KEY_AUTHORIZATION = /(?<![\w.-])[\w-]{16,}\.[\w-]{43}(?![\w-])/g;

/**
 * Text from a CA made fit to print: without control and bidirectional characters, without challenge tokens (CAs quote them),
 * and no longer than `limit` characters. `undefined` where the value is not a string.
 */
export function textOf(value: unknown, limit: number): string | undefined {
  if (typeof value !== 'string') return undefined;
  return value
    .slice(0, 4 * limit)
    .replace(UNPRINTABLE, ' ')
    .replace(CHALLENGE_PATH, '$1…')
    .replace(KEY_AUTHORIZATION, '…')
    .slice(0, limit)
    .replace(HALF_AT_END, '');
}

/** An instant of RFC 3339, `undefined` where the value is not one, or is none in UTC: an offset can lead out of the years 0 to 9999. */
export function instantOf(value: unknown): Date | undefined {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(value))
    return undefined;
  const instant = new Date(value);
  const year = instant.getUTCFullYear();
  return year >= 0 && year <= 9999 ? instant : undefined;
}
