/** Reads and writes the XML of the Route 53 API. */

/** An XML element without attributes, as Route 53 speaks it: text, or children, or neither. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** What may stand in an element that is to be written. `undefined` leaves the element out. */
export type XmlContent = string | number | boolean | Date | undefined | XmlFields | readonly XmlFields[];

/** Elements by name; an array repeats its members. */
export interface XmlFields {
  readonly [name: string]: XmlContent;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function fromEntities(text: string): string {
  return text.replaceAll(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, entity: string) => {
    if (entity.startsWith('#x')) return String.fromCodePoint(Number.parseInt(entity.slice(2), 16));
    if (entity.startsWith('#')) return String.fromCodePoint(Number(entity.slice(1)));
    return ENTITIES[entity] ?? whole;
  });
}

const toEntities = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

interface OpenElement {
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
}

/** Reads a document; attributes are passed over. `undefined` where it is not well-formed. */
export function parseXml(document: string): XmlElement | undefined {
  const root: OpenElement = { name: '', text: '', children: [] };
  const open: OpenElement[] = [root];
  const body = document.replace(/^\s*<\?xml[^>]*\?>/, '');
  for (const [, closing, name, empty, text] of body.matchAll(/<(\/?)([\w:.-]+)[^>]*?(\/?)>|([^<]+)/g)) {
    const current = open.at(-1);
    if (!current) return undefined;
    if (text !== undefined) current.text += fromEntities(text);
    else if (closing) {
      const parent = open.at(-2);
      if (current.name !== name || !parent) return undefined;
      open.pop();
      parent.children.push(current);
    } else if (name && empty) current.children.push({ name, text: '', children: [] });
    else if (name) open.push({ name, text: '', children: [] });
  }
  return open.length === 1 && root.children.length === 1 ? root.children[0] : undefined;
}

/** The first child of a name. */
export function childOf(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((child) => child.name === name);
}

function writeOne(name: string, content: Exclude<XmlContent, undefined | readonly XmlFields[]>): string {
  if (content instanceof Date) return `<${name}>${content.toISOString()}</${name}>`;
  const inner = typeof content === 'object' ? writeXml(content) : toEntities(String(content));
  return `<${name}>${inner}</${name}>`;
}

/** Writes elements in the order of the fields. */
export function writeXml(fields: XmlFields): string {
  return Object.entries(fields)
    .map(([name, content]) => {
      if (content === undefined) return '';
      if (Array.isArray(content)) return content.map((one: XmlFields) => writeOne(name, one)).join('');
      return writeOne(name, content as Exclude<XmlContent, undefined | readonly XmlFields[]>);
    })
    .join('');
}
