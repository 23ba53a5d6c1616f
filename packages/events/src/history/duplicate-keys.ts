/** Finds keys that occur twice in a JSON object, which JSON.parse accepts. */

/** Index behind the closing quote of the string that opens at `start`. */
function endOfString(json: string, start: number): number {
  let end = json.indexOf('"', start + 1);
  for (;;) {
    let slashes = 0;
    while (json[end - 1 - slashes] === '\\') slashes += 1;
    if (slashes % 2 === 0) return end + 1;
    end = json.indexOf('"', end + 1);
  }
}

function isFollowedByColon(json: string, start: number): boolean {
  let at = start;
  while (' \t\r\n'.includes(json[at] ?? ':')) at += 1;
  return json[at] === ':';
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
    const character = json[at];
    if (character === '{') open.push(new Set());
    else if (character === '[') open.push(undefined);
    else if (character === '}' || character === ']') open.pop();
    if (character !== '"') {
      at += 1;
      continue;
    }
    const end = endOfString(json, at);
    const keys = open.at(-1);
    if (keys && isFollowedByColon(json, end)) {
      const key = JSON.parse(json.slice(at, end)) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
    at = end;
  }
  return undefined;
}
