/** Finds the condition that no certificate at all fits, which is probably mistyped. */
import type { Manager, Predicate } from '@certbus/manager';
import { nothingFits } from '../did-you-mean.ts';
import { nameFilter } from './listing.ts';

type Condition = readonly [flag: string, value: string | undefined, known: readonly string[], isFitting: boolean];

/**
 * For where no certificate fits: refuses a condition that none fits by itself, rather than report that there is nothing to do. Throws
 * `CERTBUS_CLI_NO_MATCH`.
 */
export function checkConditions(
  { state }: Pick<Manager, 'state'>,
  { pattern, domain, profile, issuer }: Predicate,
): void {
  const all = [...state.all()];
  const names = all.flatMap((certificate) => certificate.names);
  const profiles = all.flatMap((each) => each.profile ?? []);
  const issuers = all.flatMap(({ current }) => current?.issuers[0] ?? []);
  const conditions: readonly Condition[] = [
    ['--name', pattern, names, pattern === undefined || nameFilter(pattern)(names)],
    ['--domain', domain, names, names.some((name) => `.${name}`.endsWith(`.${domain}`))],
    ['--profile', profile, profiles, profiles.includes(profile ?? '')],
    ['--issuer', issuer, issuers, issuers.includes(issuer ?? '')],
  ];
  for (const [flag, value, known, isFitting] of conditions)
    if (value !== undefined && !isFitting) throw nothingFits({ flag, value, among: 'managed certificate', known });
}
