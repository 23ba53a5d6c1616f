/** Finds certificates by what they have in common, without reading their states. */
import type { DatabaseSync } from 'node:sqlite';
import { createTraitsReader, type Traits } from './traits.ts';

/** Which certificates are meant; each condition that is given has to hold. Removed ones never are. */
export interface Selection {
  readonly traits: (traits: Traits) => boolean;
  /** Certificates for this domain, a name below it, or a wildcard of either. */
  readonly domain?: string | undefined;
  /** Certificates with a name that this fits: `*` stands for any characters, dots too. */
  readonly pattern?: string | undefined;
  /** Certificates whose lifetime began before. */
  readonly issuedBefore?: Date | undefined;
  /** Certificates whose commit is at this position or later; one without a known commit fits. */
  readonly obtainedSince?: number | undefined;
  /** Certificates whose commit is before this position; one without a known commit fits. */
  readonly obtainedBefore?: number | undefined;
  /** Certificates that have failed since they were last issued. */
  readonly isFailing?: boolean | undefined;
}

/** How a page of a selection is read. */
export interface SelectedPage {
  /** Where the page before ended. Default: the beginning. */
  readonly after?: number | undefined;
  readonly limit: number;
  /** Only those that are not due then, and that neither a claim nor a back-off puts off. Default: all. */
  readonly readyAt?: Date | undefined;
}

/** A page of a selection. */
export interface Selected {
  readonly certificateIds: readonly string[];
  /** Where the next page begins; `undefined` where this was the last. */
  readonly last: number | undefined;
}

/** What can be found of certificates by what they have in common. Every certificate is looked at. */
export interface SelectionReader {
  /** Those that are selected, page by page in an order that stays. */
  selected(selection: Selection, page: SelectedPage): Selected;
  /** When the first of those that are selected is put off no longer, after an instant; `undefined` where none is put off. */
  nextReady(selection: Selection, after: Date): Date | undefined;
}

/** Conditions of SQL on the table of certificates, and the values in them. */
interface Conditions {
  readonly all: readonly string[];
  readonly values: Readonly<Record<string, string | number>>;
}

/** Names are compared by their ends, of which there is no index. */
const ofDomain = (suffix: string): string =>
  `number IN (SELECT number FROM names${suffix} WHERE name = :domain OR substr(name, -length(:domain) - 1) = '.' || :domain)`;

const ofPattern = (suffix: string): string => `number IN (SELECT number FROM names${suffix} WHERE name GLOB :pattern)`;

/** A pattern for `GLOB`, where nothing but `*` has a meaning of its own. */
const globOf = (pattern: string): string => pattern.replaceAll(/[?[\]]/g, (character) => `[${character}]`);

/** All conditions of a selection but its traits. */
export function conditionsOf(
  suffix: string,
  { domain, pattern, issuedBefore, obtainedSince, obtainedBefore, isFailing = false }: Selection,
): Conditions {
  const given = [
    domain === undefined ? undefined : { condition: ofDomain(suffix), name: 'domain', value: domain },
    pattern === undefined ? undefined : { condition: ofPattern(suffix), name: 'pattern', value: globOf(pattern) },
    issuedBefore && { condition: 'issued_at < :issuedBefore', name: 'issuedBefore', value: issuedBefore.getTime() },
    obtainedSince === undefined
      ? undefined
      : { condition: 'coalesce(obtained, :since) >= :since', name: 'since', value: obtainedSince },
    obtainedBefore === undefined
      ? undefined
      : { condition: 'coalesce(obtained, 0) < :before', name: 'before', value: obtainedBefore },
  ].filter((each) => each !== undefined);
  return {
    all: [...given.map(({ condition }) => condition), ...(isFailing ? ['failing IS NOT NULL'] : [])],
    values: Object.fromEntries(given.map(({ name, value }) => [name, value])),
  };
}

/** Makes the reader of a generation. */
export function createSelectionReader(database: DatabaseSync, suffix: string): SelectionReader {
  const traits = createTraitsReader(database, suffix);

  function whereOf(selection: Selection): Conditions {
    const fitting = [...traits()].filter(([, each]) => selection.traits(each)).map(([id]) => id);
    const { all, values } = conditionsOf(suffix, selection);
    return { all: ['removed = 0', `traits IN (${fitting.join(', ')})`, ...all], values };
  }

  return {
    selected(selection, { after = 0, limit, readyAt }) {
      const { all, values } = whereOf(selection);
      const isReady = 'next_action_at > :readyAt AND coalesce(paused_until, 0) <= :readyAt';
      const where = ['number > :after', ...all, ...(readyAt ? [isReady] : [])].join(' AND ');
      const rows = database
        .prepare(`SELECT number, certificate_id FROM certificates${suffix} WHERE ${where} ORDER BY number LIMIT :limit`)
        .all({ ...values, after, limit, ...(readyAt ? { readyAt: readyAt.getTime() } : {}) });
      const end = rows.length < limit ? undefined : rows.at(-1);
      return {
        certificateIds: rows.map((row) => String(row['certificate_id'])),
        last: end && Number(end['number']),
      };
    },
    nextReady(selection, after) {
      const { all, values } = whereOf(selection);
      const where = ['paused_until > :after', 'next_action_at IS NOT NULL', ...all].join(' AND ');
      const first = database
        .prepare(`SELECT min(paused_until) AS first FROM certificates${suffix} WHERE ${where}`)
        .get({ ...values, after: after.getTime() })?.['first'];
      return typeof first === 'number' ? new Date(first) : undefined;
    },
  };
}
