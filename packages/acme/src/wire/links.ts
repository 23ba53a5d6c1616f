/** Reads `Link` headers (RFC 8288). */

/** One target of a `Link` header (RFC 8288). */
export interface Link {
  readonly url: string;
  /** Relation types, lower case. */
  readonly relations: readonly string[];
}

const MAX_CHARACTERS = 16_384;
const MAX_LINKS = 32;

/** Splits at a separator that stands neither in angle brackets nor in quotes. Linear in the length of the text. */
function splitOutside(text: string, separator: ',' | ';'): string[] {
  const items: string[] = [];
  let closing: '>' | '"' | undefined;
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (closing) {
      if (closing === '"' && character === '\\') at += 1;
      else if (character === closing) closing = undefined;
    } else if (character === '<') closing = '>';
    else if (character === '"') closing = '"';
    else if (character === separator) {
      items.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...items, text.slice(start)];
}

function relationsOf(parameters: readonly string[]): string[] {
  // RFC 8288 §3.3: only the first "rel" counts.
  for (const parameter of parameters) {
    const at = parameter.indexOf('=');
    if (at < 0 || parameter.slice(0, at).trim().toLowerCase() !== 'rel') continue;
    const value = parameter.slice(at + 1).trim();
    const bare = value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    return bare
      .toLowerCase()
      .split(/[ \t]+/)
      .filter((relation) => relation !== '');
  }
  return [];
}

function parseLink(text: string, base: string): Link | undefined {
  const [target = '', ...parameters] = splitOutside(text, ';').map((item) => item.trim());
  if (!target.startsWith('<') || !target.endsWith('>')) return undefined;
  const url = URL.parse(target.slice(1, -1), base);
  return url ? { url: url.href, relations: relationsOf(parameters) } : undefined;
}

/**
 * Reads a `Link` header, several header lines joined by commas. Targets are resolved against `base`; they may lie anywhere, so check
 * their origin. At most 32 are read.
 */
export function parseLinks(header: string | undefined, base: string): Link[] {
  return splitOutside((header ?? '').slice(0, MAX_CHARACTERS), ',')
    .slice(0, MAX_LINKS)
    .map((text) => parseLink(text, base))
    .filter((link) => link !== undefined);
}

/** Addresses with a relation, each once. */
export function linked(links: readonly Link[], relation: string): string[] {
  return [...new Set(links.filter(({ relations }) => relations.includes(relation)).map(({ url }) => url))];
}
