/** Puts what was imported into lines and counts. */
import type { AdoptionOutcome, ImportOutcome } from '@certbus/manager';
import type { NotTaken } from './reading.ts';

/** What became of all that was found. */
export interface ImportReport {
  readonly isDryRun: boolean;
  readonly certificates: readonly ImportOutcome[];
  readonly accounts: readonly AdoptionOutcome[];
}

/** What was found and could not even be parsed, as an outcome. */
export const asOutcome = ({ source, outcome, why }: NotTaken): ImportOutcome => ({
  source,
  outcome,
  certificateId: undefined,
  names: [],
  notAfter: undefined,
  renewedAt: undefined,
  why,
});

/** The titles of {@link rowsOf}. */
export const HEADER = ['outcome', 'id', 'expires (UTC)', 'names', 'source', 'why'] as const;

/** A row for each certificate, and behind them one for each account. */
export function rowsOf({ certificates, accounts }: ImportReport): string[][] {
  return [
    ...certificates.map(({ outcome, certificateId = '', notAfter = '', names, source, why = '' }) => [
      outcome,
      certificateId,
      notAfter.slice(0, 16).replace('T', ' '),
      names.join(', '),
      source,
      why,
    ]),
    ...accounts.map(({ outcome, directory = '', source, why = '' }) => [
      outcome,
      '',
      '',
      `account at ${directory || 'a CA that is not configured'}`,
      source,
      why,
    ]),
  ];
}

/** How many columns of {@link rowsOf} fit a terminal; the reasons are lines of their own there. */
export const SHOWN_COLUMNS = 4;

/** Why what was not refused is skipped, or what its owner should know, a line for each. */
export const reasonsOf = ({ certificates, accounts }: ImportReport): string[] =>
  [...certificates, ...accounts].flatMap(({ outcome, source, why }) =>
    why === undefined || outcome === 'refused' ? [] : [`${source}: ${why}`],
  );

const IN_USE: ReadonlySet<AdoptionOutcome['outcome']> = new Set(['imported', 'replaced', 'unchanged']);

/**
 * What is to be done about account keys that others may have, a line for each: with one of them anybody can prove names by HTTP-01 where all load
 * balancers answer for the account.
 */
export const warningsOf = ({ isDryRun, accounts }: ImportReport): string[] =>
  accounts
    .filter(({ outcome }) => !isDryRun && IN_USE.has(outcome))
    .map(
      ({ source, accountUrl = 'an account' }) =>
        `others may have the key of ${accountUrl}, which is in ${source}: once nothing else uses that account, "certbus account rollover" gives it a fresh key`,
    );

/** How many there are of each outcome, in words. */
export function summaryOf({ isDryRun, certificates, accounts }: ImportReport): string {
  const count = (wanted: ImportOutcome['outcome'], all: readonly { outcome: string }[] = certificates) =>
    all.filter(({ outcome }) => outcome === wanted).length;
  const parts = (['imported', 'replaced', 'managed', 'unchanged', 'skipped', 'refused'] as const)
    .map((outcome) => ({ outcome, n: count(outcome) }))
    .filter(({ n, outcome }) => n > 0 || outcome === 'imported')
    .map(({ outcome, n }) => `${n} ${outcome}`);
  const used = accounts.filter(({ outcome }) => IN_USE.has(outcome)).length;
  const ofAccounts = accounts.length > 0 ? `; ${used} of ${accounts.length} account keys in use` : '';
  return `${isDryRun ? 'nothing was written; a run would give: ' : ''}${parts.join(', ')}${ofAccounts}`;
}
