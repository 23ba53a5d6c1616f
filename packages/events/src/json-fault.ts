/** Says where a text is not JSON, and what is wrong there, without quoting it: it may be a secret. */

/** What can stand at a place in a text. */
type Place = 'value' | 'first-value' | 'name' | 'first-name' | 'colon' | 'next' | 'end';

const EXPECTED: Readonly<Record<Exclude<Place, 'next'>, string>> = {
  value: 'a value is expected here',
  'first-value': 'a value or "]" is expected here',
  name: 'a name in double quotes is expected here',
  'first-name': 'a name in double quotes or "}" is expected here',
  colon: '":" is expected here',
  end: 'nothing more is expected here',
};

const SPACE = /[ \t\n\r]*/y;
/** All but control characters, quotes and backslashes stands for itself. */
const STRING = /"[ !#-[\]-\uffff]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[ !#-[\]-\uffff]*)*"/y;
const LITERAL = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** An object or a list that is open, with the names that it has so far. */
interface Open {
  readonly closer: '}' | ']';
  readonly names: Set<string>;
}

/** Where a text is wrong, and why. */
interface Fault {
  readonly at: number;
  readonly why: string;
}

/** Reads a text from its beginning to the first fault. */
function findFault(text: string): Fault | undefined {
  const open: Open[] = [];
  let at = 0;
  let place: Place = 'value';
  const take = (what: RegExp): string | undefined => {
    what.lastIndex = at;
    const [found] = what.exec(text) ?? [];
    at += found?.length ?? 0;
    return found;
  };
  const behindValue = (): Place => (open.length > 0 ? 'next' : 'end');
  const fault = (why: string): Fault => ({ at, why });
  for (;;) {
    take(SPACE);
    const character = text[at];
    const within = open.at(-1);
    if (place === 'end' && character === undefined) return undefined;
    if (character === undefined) return fault('it ends too early');
    const canClose = place === 'next' || place.startsWith('first-');
    if (canClose && character === within?.closer) {
      open.pop();
      at += 1;
      place = behindValue();
    } else if (place === 'next') {
      if (character !== ',') return fault(`"," or "${within?.closer}" is expected here`);
      at += 1;
      place = within?.closer === '}' ? 'name' : 'value';
    } else if (place === 'colon') {
      if (character !== ':') return fault(EXPECTED.colon);
      at += 1;
      place = 'value';
    } else if (place === 'end') return fault(EXPECTED.end);
    else if ((place === 'value' || place === 'name') && character === within?.closer)
      return fault(`${EXPECTED[place]}: remove the comma before it`);
    else if (character === '"') {
      const [start, written] = [at, take(STRING)];
      if (written === undefined) return fault('this string has no end on its line, or a backslash that means nothing');
      if (place === 'value' || place === 'first-value') place = behindValue();
      else {
        const name = String(JSON.parse(written));
        if (within?.names.has(name)) return { at: start, why: 'this name is in its object twice' };
        within?.names.add(name);
        place = 'colon';
      }
    } else if (place === 'name' || place === 'first-name') return fault(EXPECTED[place]);
    else if (character === '{' || character === '[') {
      open.push({ closer: character === '{' ? '}' : ']', names: new Set() });
      at += 1;
      place = character === '{' ? 'first-name' : 'first-value';
    } else if (take(LITERAL) === undefined) return fault(EXPECTED[place]);
    else place = behindValue();
  }
}

/**
 * What is wrong with a text that `JSON.parse` refuses, or in which an object has a name twice, of which it would keep the last: line and column,
 * both from 1, and what is expected there. `undefined` for JSON. No part of the text is in it.
 */
export function jsonFaultOf(text: string): string | undefined {
  const fault = findFault(text);
  if (!fault) return undefined;
  const lines = text.slice(0, fault.at).split(/\r\n|\n|\r/);
  return `line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}: ${fault.why}`;
}
