/** Puts into words what the root signs, for the person who decides. */
import { type Manager, printableJson, type Recipient } from '@certbus/events';
import { type RootBody, type RootEvent, readEvent } from '@certbus/events/history';
import { INVISIBLE, inForceAfter, type KeysInForce } from '../../decide/key-changes.ts';
import type { RootReply } from './request.ts';

const escaped = (character: string): string =>
  [...Array(character.length).keys()]
    .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
    .join('');

/**
 * In quotation marks, and without what could steer a terminal, end the line, or wrap into one of its own: everything in a request is
 * somebody's text.
 */
export const quoted = (text: string): string => printableJson(text).replaceAll(INVISIBLE, escaped);

const managerText = ({ name, signingKey, recipient }: Manager): string =>
  `${quoted(name)}, signing key ${signingKey}, recipient ${recipient}`;
const recipientText = ({ name, recipient }: Recipient): string => `${quoted(name)}, ${recipient}`;

function without<T>(list: readonly T[], others: readonly T[], textOf: (each: T) => string): readonly T[] {
  const texts = new Set(others.map(textOf));
  return list.filter((each) => !texts.has(textOf(each)));
}

/** What a list becomes: who comes, who goes, and everyone who is on it then. */
function describeList<T>(
  {
    before,
    after,
    textOf,
  }: { readonly before: readonly T[]; readonly after: readonly T[]; readonly textOf: (each: T) => string },
  { noun, can, cannot }: { readonly noun: string; readonly can: string; readonly cannot: string },
): string[] {
  return [
    ...without(after, before, textOf).map((each) => `ADD the ${noun} ${textOf(each)}: ${can}`),
    ...without(before, after, textOf).map((each) => `REMOVE the ${noun} ${textOf(each)}: ${cannot}`),
    `all ${noun}s after this change:`,
    ...after.map((each) => `  ${textOf(each)}`),
  ];
}

/**
 * What a change makes of what is in force, in lines that are safe to print: who comes, who goes, and whole lists, so that nothing depends on
 * knowing what was there before.
 */
export function describeChange(before: KeysInForce, body: RootBody): readonly string[] {
  switch (body.type) {
    case 'ManagersUpdated':
      return describeList(
        { before: before.managers, after: body.managers, textOf: managerText },
        {
          noun: 'manager',
          can: 'it can write to the bus, order certificates, and read the configuration and the ACME account keys',
          cannot: 'it can no longer write, and keeps what it has read',
        },
      );
    case 'RecipientsUpdated':
      return describeList(
        { before: before.recipients, after: body.recipients, textOf: recipientText },
        {
          noun: 'recipient',
          can: 'it can open every private key that is sealed from then on',
          cannot: 'it opens no key that is sealed from then on, and still opens those that were sealed before',
        },
      );
    case 'ManagerExpelled':
      return [
        `EXPEL the manager ${quoted(body.manager)}, signing key ${body.key}: permanently, and all that it wrote from position ${body.since} on is void, but for certificates`,
        'all managers after this change:',
        ...inForceAfter(before, body).managers.map((each) => `  ${managerText(each)}`),
      ];
    case 'FormatRaised':
    case 'BusRestored':
      return [`${body.type}: this is not signed by a request`];
  }
}

const SCREEN = { lines: 20, columns: 80 };

/**
 * The lines of a request with its changes once more at the end, where they do not fit a screen together: what was printed last is what is
 * read.
 */
export function withChangesLast(lines: readonly string[]): readonly string[] {
  const rows = lines.reduce((sum, line) => sum + Math.ceil(line.length / SCREEN.columns), 0);
  if (rows <= SCREEN.lines) return lines;
  return [...lines, 'all changes once more:', ...lines.filter((line) => /^(?:ADD|REMOVE|EXPEL|NO) /.test(line))];
}

/** What a reply of the root changes, in the same words. What is in force already is not repeated as a change. */
export function describeReply({ rootEvents }: RootReply, inForce: KeysInForce): readonly string[] {
  const lines: string[] = [];
  let before = inForce;
  for (const root of rootEvents) {
    // Its body was read by the bus's own rules where it was parsed.
    const body = readEvent(root).event as RootEvent;
    lines.push(...describeChange(before, body));
    before = inForceAfter(before, body);
  }
  return lines;
}
