/** Chooses and orders managed certificates for lists: rows, filters, columns. */
import { domainToASCII, domainToUnicode } from 'node:url';
import { normalizeAddress } from '@certbus/events';
import type { ListedCertificate } from '@certbus/runtime/picture';
import { nothingFits } from '../did-you-mean.ts';
import { CliError } from '../errors.ts';
import { PUBLIC_AUTHORITIES, type PublicAuthority, publicAuthority } from '../wizard/authorities.ts';
import { type CertificateState, type CertificateStatus, isPlain, STATES, statusOf } from './status.ts';

/** One managed certificate in a list. */
export interface Row extends CertificateStatus {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly status: CertificateState;
  /** End of what is served, ISO 8601; `undefined` before the first one is issued. */
  readonly notAfter: string | undefined;
  readonly challengeType: string | undefined;
  /** The ACME directory that it is renewed at; `undefined` for an imported certificate. */
  readonly directory: string | undefined;
  /** `undefined` for an imported certificate. */
  readonly keyType: string | undefined;
}

/** A certificate as a row, with its status at an instant. */
export function rowOf(certificate: ListedCertificate, now: Date): Row {
  const { certificateId, names, challengeType, directory, keyType } = certificate;
  const notAfter = isPlain(certificate) ? new Date(certificate.notAfter).toISOString() : certificate.current?.notAfter;
  const key = keyType ?? (directory === undefined ? undefined : 'P-256');
  return { certificateId, names, ...statusOf(certificate, now), notAfter, challengeType, directory, keyType: key };
}

/** What rows are kept. All that are set must fit. */
export interface Filters {
  /** Those that end by this instant, ended ones included. */
  readonly endingBy?: Date | undefined;
  /** A name, or a pattern with `*` for any letters, also dots. */
  readonly name?: string | undefined;
  /** Those that failed, ended, or were never issued. */
  readonly isFailing?: boolean | undefined;
  /** What a public CA is called, which is that CA alone; else a part of the ACME directory's URL, such as the host. */
  readonly authority?: string | undefined;
}

const FAILING: readonly CertificateState[] = ['expired', 'not-issued', 'failing'];

/**
 * A label in ASCII. With another behind it, since digits alone would be taken for an IP address: `163` is not `0.0.0.163`.
 */
const labelInAscii = (label: string): string =>
  /^[\x20-\x7e]*$/.test(label) ? label : domainToASCII(`${label}.x`).replace(/\.x$/, '') || label;

/** A name or pattern in ASCII and lower case, an IP address in its one form: as names are stored. */
export const inAscii = (pattern: string): string =>
  normalizeAddress(pattern) ?? pattern.toLowerCase().replace(/\.$/, '').split('.').map(labelInAscii).join('.');

/** An expression for a pattern with `*` for any letters. */
const expressionOf = (pattern: string): RegExp => {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[\\^$.+?()[\]{}|/]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
};

/** A function that says whether one of several names fits a name or pattern. */
export function nameFilter(pattern: string): (names: readonly string[]) => boolean {
  const fits = expressionOf(inAscii(pattern));
  // Part of a label, as of "bü*", has no form of its own in ASCII.
  const fitsReadable = expressionOf(pattern.toLowerCase().normalize().replace(/\.$/, ''));
  return (names) =>
    names.some((name) => fits.test(name) || (name.includes('xn--') && fitsReadable.test(readable(name))));
}

/** A function that says which rows are of an authority. */
function isAt(authority: string): (row: Pick<Row, 'directory'>) => boolean {
  const named = publicAuthority(authority);
  // The URL of a CA is often a part of that of its staging CA.
  if (named) return ({ directory }) => directory === named.directory;
  return ({ directory }) => directory?.toLowerCase().includes(authority.toLowerCase()) ?? false;
}

/** What a name or pattern could have been: the names, and for a pattern those below their domain. */
function* namesLike(pattern: string, rows: readonly Row[]): Iterable<string> {
  for (const { names } of rows) {
    yield* names;
    if (pattern.includes('*')) yield* names.map((name) => name.replace(/^[^.]+/, '*'));
  }
}

/**
 * Refuses a name, pattern or authority that fits none of all rows, whatever else is asked: it is mistyped, and an empty list would look like
 * all is well. Throws `CERTBUS_CLI_NO_MATCH` with those that look like it.
 */
export function checkFilters(rows: readonly Row[], { name, authority }: Pick<Filters, 'name' | 'authority'>): void {
  const among = 'managed certificate';
  if (name !== undefined) {
    const hasName = nameFilter(name);
    if (!rows.some(({ names }) => hasName(names)))
      throw nothingFits({ flag: '--name', value: name, among, known: namesLike(name, rows) });
  }
  if (authority === undefined || rows.some(isAt(authority))) return;
  const isHere = ({ directory }: PublicAuthority) => rows.some((row) => row.directory === directory);
  const hosts = rows.flatMap(({ directory }) => (directory === undefined ? [] : [new URL(directory).hostname]));
  const known = [...hosts, ...PUBLIC_AUTHORITIES.filter(isHere).flatMap(({ choice, name }) => [choice, name])];
  throw nothingFits({ flag: '--authority', value: authority, among, known });
}

/** A function that says which rows fit. */
export function createFilter({ endingBy, name, isFailing = false, authority }: Filters): (row: Row) => boolean {
  const hasName = name === undefined ? () => true : nameFilter(name);
  const isOfCa = authority === undefined ? () => true : isAt(authority);
  return ({ names, notAfter, status, directory }) =>
    hasName(names) &&
    (endingBy === undefined || (notAfter !== undefined && Date.parse(notAfter) <= endingBy.getTime())) &&
    (!isFailing || FAILING.includes(status)) &&
    isOfCa({ directory });
}

/** What lists can be ordered by. */
export const SORTS = ['expires', 'name', 'status', 'id'] as const;

type Sort = (typeof SORTS)[number];

const SORT_KEYS: Readonly<Record<Sort, (row: Row) => string>> = {
  expires: ({ notAfter }) => notAfter ?? '',
  // By the registered part first, as directories of names do: a.example.com is next to b.example.com.
  name: ({ names: [first = ''] }) => first.replace(/^\*\./, '').split('.').reverse().join('.'),
  status: ({ status }) => String(STATES.indexOf(status)),
  id: ({ certificateId }) => certificateId,
};

/** Rows in order; those that are alike by the end of what is served, and then by id. */
export function sortRows(rows: readonly Row[], by: Sort): Row[] {
  const keyed = rows.map((row) => ({ row, key: SORT_KEYS[by](row), end: row.notAfter ?? '', id: row.certificateId }));
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return keyed
    .sort((a, b) => compare(a.key, b.key) || compare(a.end, b.end) || compare(a.id, b.id))
    .map(({ row }) => row);
}

/** An IDN as people write it, where it is one. */
const readable = (name: string): string => {
  if (!name.includes('xn--')) return name;
  const [, wildcard = '', rest = name] = /^(\*\.)?(.*)$/.exec(name) ?? [];
  return `${wildcard}${domainToUnicode(rest) || rest}`;
};

/** How cells are written. */
interface CellOptions {
  /** For people: IDNs as they are written, statuses with their reason. */
  readonly isTerminal: boolean;
}

interface Column {
  readonly title: string;
  readonly cell: (row: Row, options: CellOptions) => string;
}

/** The columns that a list can have, by the name that `--columns` takes. */
const COLUMNS: Readonly<Record<string, Column>> = {
  id: { title: 'id', cell: ({ certificateId }) => certificateId },
  status: {
    title: 'status',
    cell: ({ status, why }, { isTerminal }) => (isTerminal && why ? `${status}: ${why}` : status),
  },
  expires: {
    title: 'expires (UTC)',
    cell: ({ notAfter }) => notAfter?.slice(0, 16).replace('T', ' ') ?? 'not issued',
  },
  challenge: { title: 'challenge', cell: ({ challengeType }) => challengeType ?? 'imported' },
  names: {
    title: 'names',
    cell: ({ names }, { isTerminal }) => names.map((name) => (isTerminal ? readable(name) : name)).join(', '),
  },
  authority: {
    title: 'authority',
    cell: ({ directory }) => (directory === undefined ? 'imported' : new URL(directory).host),
  },
  key: { title: 'key', cell: ({ keyType }) => keyType ?? 'imported' },
  why: { title: 'why', cell: ({ why }) => why ?? '' },
};

/** The names of all columns. */
export const COLUMN_NAMES: readonly string[] = Object.keys(COLUMNS);

/** The columns of a list where none are named. */
export const DEFAULT_COLUMNS = 'id,status,expires,challenge,names';

/** Titles and cells of a list. Throws `CERTBUS_CLI_USAGE` for a column that there is not. */
export function tableOf(
  rows: readonly Row[],
  columns: string,
  options: CellOptions,
): { readonly header: readonly string[]; readonly rows: readonly (readonly string[])[] } {
  const chosen = columns.split(',').map((name) => {
    const column = Object.hasOwn(COLUMNS, name.trim()) ? COLUMNS[name.trim()] : undefined;
    if (column) return column;
    const what = `"${name.trim()}" is not a column. There are: ${COLUMN_NAMES.join(', ')}.`;
    throw new CliError('CERTBUS_CLI_USAGE', what);
  });
  return {
    header: chosen.map(({ title }) => title),
    rows: rows.map((row) => chosen.map(({ cell }) => cell(row, options))),
  };
}
