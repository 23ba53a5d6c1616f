/** Which identifiers the CA certifies. */
import { isIP } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';
import { isRecord } from './base64url.ts';
import type { Identifier } from './identifier.ts';
import { malformed, ProblemDocument, type Subproblem } from './problem-document.ts';

const MAX_NAME = 230;
const MAX_LABELS = 10;

function faultOfLabel(label: string): string | undefined {
  if (!/^[a-z0-9-]{1,63}$/.test(label)) return 'has a label with characters other than letters, digits and hyphens';
  if (label.startsWith('-') || label.endsWith('-')) return 'has a label that begins or ends with a hyphen';
  if (label.slice(2, 4) !== '--') return undefined;
  const isIdn = label.startsWith('xn--') && domainToASCII(domainToUnicode(label)) === label;
  return isIdn && domainToUnicode(label) !== label ? undefined : 'has a label that looks like an A-label and is none';
}

/** What is wrong with a DNS name, `*.` in front allowed; `undefined` where nothing is. */
function faultOfName(name: string): string | undefined {
  if (isIP(name) !== 0) return 'is an IP address and not a DNS name';
  if (name.length > MAX_NAME) return `is longer than ${MAX_NAME} characters`;
  const base = name.startsWith('*.') ? name.slice(2) : name;
  if (base.includes('*')) return 'has a wildcard that is not its whole leftmost label';
  const labels = base.split('.');
  if (labels.includes('')) return 'has an empty label, or a dot at its end';
  if (labels.length < 2) return base === name ? 'has only one label' : 'is a wildcard for a whole top-level domain';
  if (labels.length > MAX_LABELS) return `has more than ${MAX_LABELS} labels`;
  if (/^\d+$/.test(labels.at(-1) ?? '')) return 'ends with a number';
  return labels.map(faultOfLabel).find((fault) => fault !== undefined);
}

/** What is wrong with an IP address; RFC 8738 §3 wants the text of RFC 5952. */
function faultOfAddress(address: string): string | undefined {
  const family = isIP(address);
  if (family === 0 || address.includes('%')) return 'is not an IP address';
  const canonical = family === 4 ? address : new URL(`http://[${address}]`).hostname.slice(1, -1);
  return canonical === address ? undefined : `is to be written ${canonical}`;
}

function parseIdentifier(value: unknown): Identifier {
  if (!isRecord(value) || typeof value['type'] !== 'string' || typeof value['value'] !== 'string') {
    throw malformed('An identifier has a type and a value, both texts');
  }
  const { type, value: text } = value;
  if (type !== 'dns' && type !== 'ip') {
    throw new ProblemDocument('unsupportedIdentifier', `Identifiers of type ${String(type)} are not supported`);
  }
  if (text === '') throw malformed('An identifier is empty');
  return { type, value: String(text).toLowerCase() };
}

function checkWellFormed(identifiers: readonly Identifier[]): void {
  for (const { type, value } of identifiers) {
    const fault = type === 'dns' ? faultOfName(value) : faultOfAddress(value);
    if (fault) throw malformed(`The identifier "${value}" ${fault}`);
  }
}

function isBlocked({ type, value }: Identifier, blocked: readonly string[]): boolean {
  const name = value.replace(/^\*\./, '');
  return type === 'dns' && blocked.some((each) => name === each || name.endsWith(`.${each}`));
}

function checkAllowed(identifiers: readonly Identifier[], blocked: readonly string[]): void {
  const subproblems = identifiers
    .filter((identifier) => isBlocked(identifier, blocked))
    .map((identifier): Subproblem => {
      const detail = 'The CA forbids by policy to issue for this name';
      return { type: 'rejectedIdentifier', detail, identifier };
    });
  const [first] = subproblems;
  if (!first) return;
  const detail = `Cannot issue for "${first.identifier.value}"${subproblems.length > 1 ? ' and others' : ''}: the CA forbids it by policy`;
  throw new ProblemDocument('rejectedIdentifier', detail, { subproblems });
}

/** The wildcard that would cover a name. */
function wildcardOver(name: string): string {
  return `*${name.slice(name.indexOf('.'))}`;
}

function checkRedundant(identifiers: readonly Identifier[]): void {
  const names = new Set(identifiers.map(({ value }) => value));
  const redundant = identifiers.find(
    ({ type, value }) => type === 'dns' && !value.startsWith('*.') && names.has(wildcardOver(value)),
  );
  if (!redundant) return;
  const { value } = redundant;
  throw malformed(`The name "${value}" is redundant with "${wildcardOver(value)}" in the same order`);
}

/**
 * Reads the identifiers of an order, without duplicates and in lower case, and applies what Let's Encrypt's policy says of names.
 * Throws `malformed`, `unsupportedIdentifier` or `rejectedIdentifier` (RFC 8555 §7.4, RFC 8738 §3).
 */
export function parseIdentifiers(value: unknown, blockedNames: readonly string[]): Identifier[] {
  if (!Array.isArray(value) || value.length === 0) throw malformed('An order needs at least one identifier');
  const byKey = new Map(value.map(parseIdentifier).map((each) => [keyOf(each), each]));
  const identifiers = [...byKey.values()];
  checkWellFormed(identifiers);
  checkAllowed(identifiers, blockedNames);
  checkRedundant(identifiers);
  return identifiers;
}

function keyOf({ type, value }: Identifier): string {
  return `${type}:${value}`;
}

/** A text that is the same for the same identifiers, in whatever order. */
export function setKey(identifiers: readonly Identifier[]): string {
  return identifiers.map(keyOf).toSorted().join(' ');
}
