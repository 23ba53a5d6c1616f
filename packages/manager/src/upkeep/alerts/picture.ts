/** Reads what alerts are found by, from indexes of the replica: nobody looks through all certificates for it. */
import type { ManagedCertificate } from '@certbus/events';
import type { NotedAlert } from '@certbus/events/history';
import { limitsOfAuthority } from '../../configuration/certificate-authorities.ts';
import type { Configuration } from '../../configuration/configuration.ts';
import type { Context } from '../../context.ts';
import type { AlertPicture } from '../../decide/find-alerts.ts';
import { parseQuotaSubject, type Quota, type QuotaSubject, quotaOf } from '../../decide/quota.ts';
import type { RenewalOutcome } from '../../renewal/outcome.ts';

/** So many certificates that are alike are looked at. */
const SAMPLE = 200;

/** The first of many. */
function first<T>(items: Iterable<T>, most: number): T[] {
  const found: T[] = [];
  for (const item of items) {
    if (found.length >= most) break;
    found.push(item);
  }
  return found;
}

/** What is left of the new orders that the account at each CA can make. */
export function orderQuotas(context: Context, config: Configuration): readonly Quota[] {
  const directories = Object.values(config.authorities).map(({ directory }) => directory);
  const abouts = directories.map((directory) => ({ limit: 'orders' as const, directory, subject: directory }));
  return quotasOf(context, config, abouts);
}

function quotasOf(context: Context, config: Configuration, abouts: readonly QuotaSubject[]): readonly Quota[] {
  const { state } = context.view;
  const distinct = new Map(abouts.map((about) => [`${about.limit} ${about.directory} ${about.subject}`, about]));
  return [...distinct.values()].flatMap((about) => {
    const limits = limitsOfAuthority(config, context.publishedLimits, about.directory);
    return quotaOf(state, context.now(), about, limits) ?? [];
  });
}

/** Limits that kept certificates of this run waiting. */
function metBy(outcomes: readonly RenewalOutcome[]): QuotaSubject[] {
  return outcomes.flatMap(({ limit: met }) => {
    if (!met?.directory) return [];
    const { limit: kind, subject, directory } = met;
    // Failed validations are the names' own, and the pace of a campaign is what somebody chose.
    return kind === 'failures' || kind === 'campaign' ? [] : [{ limit: kind, subject, directory }];
  });
}

/** Certificates with an open issuance, among those that are due or put off. */
function openOnes({ view, now }: Context): ManagedCertificate[] {
  const at = now();
  const { state } = view;
  const isOpen = ({ issuance }: ManagedCertificate) => issuance?.holder !== undefined;
  return [...first(state.due(at), SAMPLE), ...first(state.paused({ until: at, wantedBy: at }), SAMPLE)].filter(isOpen);
}

/** What a picture is read for. */
export interface PictureOptions {
  readonly config: Configuration;
  readonly noted: readonly NotedAlert[];
  readonly outcomes: readonly RenewalOutcome[];
  readonly silentSince: Date | undefined;
}

/** Reads what alerts are found by. The replica MUST have taken what was applied, as far as it can. */
export function readAlertPicture(
  context: Context,
  { config, noted, outcomes, silentSince }: PictureOptions,
): AlertPicture {
  const { view, now } = context;
  const { replica, state } = view;
  const resolve = (ids: readonly string[]) => ids.flatMap((id) => state.certificate(id) ?? []);
  const failing = new Map(
    [...replica.countFailing()].map(([each, count]) => [
      each,
      { count, first: resolve(replica.failing(each, SAMPLE)) },
    ]),
  );
  const urgent = { count: replica.countUrgent(now()), first: resolve(replica.urgent(now(), SAMPLE)) };
  const raised = noted.flatMap(({ alert, subject }) => (alert === 'quota' ? (parseQuotaSubject(subject) ?? []) : []));
  const quotas = [...orderQuotas(context, config), ...quotasOf(context, config, [...metBy(outcomes), ...raised])];
  const byKey = new Map(quotas.map((quota) => [`${quota.limit} ${quota.directory} ${quota.subject}`, quota]));
  const certificate = (id: string) => state.certificate(id);
  return { noted, certificate, failing, urgent, open: openOnes(context), quotas: [...byKey.values()], silentSince };
}
