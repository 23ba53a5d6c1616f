/** Decides whether the limits of a CA leave room for an order now, and when they do. */
import type { CaLimits, Rate } from '@certbus/acme';
import { isAddress, type ManagedCertificate, nameSetKey } from '@certbus/events';
import {
  countedName,
  type LedgerLimit,
  ledgerKey,
  ORDER_KINDS,
  type OrderKind,
  renewedDomain,
} from '@certbus/events/history';
import type { SpendingStretch } from '@certbus/replica';
import { parse } from 'tldts';
import type { Spending } from '../state/spending.ts';
import type { ManagerState } from '../state/state.ts';
import type { BindingLimit } from './binding-limit.ts';
import { belowLimit, fullAt, KEPT_FOR_RENEWALS, roomAt, stretchOf } from './room.ts';

/** The limits of a CA, by its directory. */
export type LimitsOf = (directory: string) => CaLimits;

/** An order that is to be made. */
export interface IntendedOrder {
  readonly names: readonly string[];
  readonly directory: string;
  readonly kind: OrderKind;
}

/** The domain that a name is registered under, as CAs count it; an address by itself. */
export function registeredDomainOf(name: string): string {
  const counted = countedName(name);
  if (isAddress(name)) return counted;
  return parse(counted, { allowPrivateDomains: true }).domain ?? counted;
}

/** What the order of a certificate is to the CA with this directory, in the state as it is. */
export function orderKindOf(
  { current, renewalInfo }: Pick<ManagedCertificate, 'current' | 'renewalInfo'>,
  { directory, now }: { readonly directory: string; readonly now: Date },
): OrderKind {
  if (current?.directory !== directory) return 'new';
  const at = now.getTime();
  const isInside = renewalInfo && at >= Date.parse(renewalInfo.windowStart) && at < Date.parse(renewalInfo.windowEnd);
  return isInside ? 'asked' : 'repeated';
}

/** One count that an order has to pass. */
export interface Count {
  readonly limit: LedgerLimit;
  readonly subject: string;
  /** That of new names first, where renewals have one of their own. */
  readonly keys: readonly string[];
  /** As the CA is used, a little under what it allows. */
  readonly rate: Rate;
  readonly kept: number;
}

/** The count of one limit at a CA, over all who order; `undefined` where the CA has no such limit. */
export function countOf(
  { limit, directory, subject }: { readonly limit: LedgerLimit; readonly directory: string; readonly subject: string },
  { renewals = 'counted', orders, domains, nameSets, failures }: CaLimits,
): Pick<Count, 'keys' | 'rate'> | undefined {
  const isExempting = renewals === 'exempt';
  const subjects: Readonly<Record<LedgerLimit, readonly string[]>> = {
    orders: isExempting ? ['new'] : ORDER_KINDS,
    domains: isExempting ? [subject] : [subject, renewedDomain(subject)],
    'name-sets': [subject],
    failures: [subject],
  };
  const rate = { orders, domains, 'name-sets': nameSets, failures }[limit];
  return rate && { keys: subjects[limit].map((each) => ledgerKey(limit, directory, each)), rate: belowLimit(rate) };
}

/** What an order has to pass at its CA: nothing for one that the CA exempts. */
export function countsFor({ names, directory, kind }: IntendedOrder, limits: CaLimits): readonly Count[] {
  const isExempting = limits.renewals === 'exempt';
  if (isExempting && kind === 'asked') return [];
  const counts = (limit: LedgerLimit, subjects: Iterable<string>, kept = 0): Count[] =>
    [...new Set(subjects)].flatMap((subject) => {
      const count = countOf({ limit, directory, subject }, limits);
      return count ? [{ limit, subject, ...count, kept }] : [];
    });
  const kept = !isExempting && kind === 'new' ? KEPT_FOR_RENEWALS : 0;
  const shared =
    isExempting && kind !== 'new'
      ? []
      : [...counts('orders', [directory], kept), ...counts('domains', names.map(registeredDomainOf), kept)];
  return [
    ...shared,
    // A set of names is renewed by what it has spent itself: nothing is kept of it.
    ...counts('name-sets', [nameSetKey(names)]),
    ...counts('failures', names.map(countedName)),
  ];
}

/** What several keys of one limit have together. */
export function spendingOf(
  state: Pick<ManagerState, 'spending'>,
  keys: readonly string[],
  stretch: SpendingStretch,
): Pick<Spending, 'held' | 'spent'> {
  const found = keys.map((key) => state.spending(key, stretch));
  const [only] = found;
  if (only && found.length === 1) return only;
  const spent = found.flatMap((each, index) => each.spent.map((one) => ({ ...one, isNew: index === 0 })));
  return {
    held: found.reduce((sum, { held }) => sum + held, 0),
    spent: spent.sort((first, second) => first.at - second.at),
  };
}

/** The limit that leaves no room for an order the longest; `undefined` where it can go now. */
export function bindingLimit(
  state: Pick<ManagerState, 'spending'>,
  now: Date,
  order: IntendedOrder,
  limits: CaLimits,
): BindingLimit | undefined {
  let last: BindingLimit | undefined;
  for (const { limit, subject, keys, rate, kept } of countsFor(order, limits)) {
    const { held, spent } = spendingOf(state, keys, stretchOf(rate, now));
    const until = roomAt(rate, fullAt(rate, { spent }, now), { now, held, kept });
    if (until > now && (last === undefined || until > last.until))
      last = { limit, subject, directory: order.directory, until };
  }
  return last;
}
