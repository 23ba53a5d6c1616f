/** Finds keys that occur twice in a JSON object, which JSON.parse accepts. */

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Index behind the closing quote of the string that opens at `start`. */
function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); ; end = json.indexOf('"', end + 1)) {
    let slashes = 0;
    while (json.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end + 1;
  }
}

const isSpace = (code: number): boolean => code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a;

function isFollowedByColon(json: string, start: number): boolean {
  let at = start;
  while (isSpace(json.charCodeAt(at))) at += 1;
  return json.charCodeAt(at) === COLON;
}

/** The key between two quotes. */
function keyOf(json: string, start: number, end: number): string {
  const written = json.slice(start + 1, end - 1);
  return written.includes('\\') ? (JSON.parse(json.slice(start, end)) as string) : written;
}

/**
 * The first key that occurs twice in one object of `json`, which must already have been accepted by `JSON.parse`.
 *
 * `JSON.parse` keeps the last of two equal keys and other readers keep the first, so that one signed text could mean two
 * things (RFC 8259 section 4).
 */
export function findDuplicateKey(json: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < json.length; ) {
    const code = json.charCodeAt(at);
    if (code === OPEN_OBJECT) open.push(new Set());
    else if (code === OPEN_ARRAY) open.push(undefined);
    else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) open.pop();
    if (code !== QUOTE) {
      at += 1;
      continue;
    }
    const end = endOfString(json, at);
    const keys = open.at(-1);
    if (keys && isFollowedByColon(json, end)) {
      const key = keyOf(json, at, end);
      if (keys.has(key)) return key;
      keys.add(key);
    }
    at = end;
  }
  return undefined;
}
