/** Puts campaigns into words and JSON. */
import type { CampaignPredicate } from '@certbus/events';
import type { CampaignStatus } from '@certbus/manager';
import { many } from '../counts.ts';
import { forecastJson, onWeekday } from './forecast-text.ts';

/** A campaign as `--json` shows it: instants as text. */
export function campaignJson({ startedAt, endedAt, failing, forecast, ordersPerHour, ...rest }: CampaignStatus) {
  return {
    ...rest,
    ordersPerHour: ordersPerHour ?? null,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt ? endedAt.toISOString() : null,
    failing: failing.map(({ notBefore, ...each }) => ({ ...each, notBefore: notBefore.toISOString() })),
    forecast: forecast ? forecastJson(forecast) : null,
  };
}

/** A campaign as `--json` shows it. */
export type CampaignJson = ReturnType<typeof campaignJson>;

const WORDS: Readonly<Record<keyof CampaignPredicate, (value: unknown) => string>> = {
  domain: (value) => `for ${value} and below it`,
  pattern: (value) => `with a name like ${value}`,
  directory: (value) => `of ${value}`,
  profile: (value) => `with the profile ${value}`,
  keyType: (value) => `with a key of the type ${value}`,
  issuer: (value) => `from the issuer ${value}`,
  issuedBefore: (value) => `issued before ${value}`,
  sealedTo: (value) => `sealed to ${value}`,
  obtainedBy: (value) => `obtained by ${value}`,
  obtainedSince: (value) => `obtained at position ${value} or later`,
};

/** Which certificates are meant, in words. */
export function describePredicate(predicate: CampaignPredicate): string {
  const conditions = Object.entries(predicate).map(([key, value]) => WORDS[key as keyof CampaignPredicate](value));
  return conditions.length === 0 ? 'all certificates' : `certificates ${conditions.join(', ')}`;
}

/** A campaign in lines. */
export function describeCampaign(campaign: CampaignStatus): string[] {
  const { campaignId, state, certificates, done, failingCount, startedAt, endedAt, forecast } = campaign;
  const end = endedAt ? `, ended ${onWeekday(endedAt)}` : '';
  const left = certificates - done;
  const isStuck = failingCount > 0 && failingCount >= left;
  const next = isStuck
    ? 'all that is left fails, and is tried again by its back-off'
    : forecast && `the last one is expected on ${onWeekday(forecast.replacedAt)}`;
  return [
    `campaign ${campaignId}: ${state}, ${done.toLocaleString('en')} of ${many(certificates, 'certificate')} done, started ${onWeekday(startedAt)}${end}`,
    `  ${describePredicate(campaign.predicate)}`,
    ...(failingCount > 0 ? [`  ${many(failingCount, 'certificate')} failing`] : []),
    ...(next && left > 0 ? [`  ${next}`] : []),
  ];
}
