/** Puts forecasts into words and JSON. */
import type { Plan, ReplacementForecast } from '@certbus/manager';
import { many } from '../counts.ts';

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

/** An instant for people who plan their week, in UTC. */
export const onWeekday = (instant: Date): string =>
  `${WEEKDAYS[instant.getUTCDay()]} ${instant.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

const LIMITS: ReadonlyMap<string, string> = new Map([
  ['pace', 'this manager\'s parallel orders ("parallelOrders")'],
  ['requests', 'the requests that the CA allows an address'],
  ['orders', "the CA's limit of new orders"],
  ['rate', '--rate'],
]);

/** What a plan is limited by, in words. Limits with a subject, such as `domains example.com`, keep their own. */
export const limitText = (boundBy: string): string => LIMITS.get(boundBy) ?? boundBy;

/** A forecast as `--json` shows it: instants as text. */
export function forecastJson({ replacedAt, servedAt, caughtUpAt, authorities, ...rest }: ReplacementForecast) {
  return {
    ...rest,
    replacedAt: replacedAt.toISOString(),
    servedAt: servedAt.toISOString(),
    caughtUpAt: caughtUpAt ? caughtUpAt.toISOString() : null,
    authorities: authorities.map((each) => ({ ...each, replacedAt: each.replacedAt.toISOString() })),
  };
}

/** When a replacement is done, and what it does to other renewals, in a line and one for each CA. */
export function describeForecast(forecast: ReplacementForecast): string[] {
  const { certificates, unconfigured, replacedAt, caughtUpAt, longestDelaySeconds, authorities } = forecast;
  if (certificates === 0) return ['no certificate to replace'];
  const left =
    unconfigured === 0
      ? []
      : [
          `  ${many(unconfigured, 'certificate')} of a CA that is not in the configuration: an order for one fails until "certbus cert renew ID --authority NAME" moves it`,
        ];
  if (unconfigured === certificates) return [`${many(certificates, 'certificate')} to replace`, ...left];
  const caughtUp = caughtUpAt
    ? `no renewal is late after ${onWeekday(caughtUpAt)}`
    : 'some renewals stay late beyond the end of this plan';
  const minutes = Math.ceil(longestDelaySeconds / 60);
  const delay =
    minutes === 0 ? 'no other renewal waits for it' : `other renewals wait up to ${many(minutes, 'minute')}`;
  return [
    `${many(certificates, 'certificate')} to replace, the last one on ${onWeekday(replacedAt)}; ${caughtUp}; ${delay}`,
    ...authorities.map(
      (each) =>
        `  ${each.name}: ${many(each.certificates, 'certificate')}, the last one on ${onWeekday(each.replacedAt)}, limited by ${limitText(each.boundBy)}`,
    ),
    ...left,
  ];
}

const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;

/** A wait, rounded up. */
const waitText = (seconds: number): string =>
  seconds > 2 * DAY_S ? many(Math.ceil(seconds / DAY_S), 'day') : many(Math.ceil(seconds / HOUR_S), 'hour');

/** Which renewals do not go when they come due, in a line for each CA; none where all of them have room. */
export function describeWaits(authorities: Plan['authorities']): string[] {
  return authorities.flatMap(({ name, boundBy, longestDelaySeconds, leftOver }) => {
    if (longestDelaySeconds === 0) return [];
    const left =
      leftOver === 0
        ? ''
        : `; ${many(leftOver, 'renewal')} of this plan ${leftOver === 1 ? 'goes' : 'go'} after its end`;
    return [`renewals at ${name} wait up to ${waitText(longestDelaySeconds)}, limited by ${limitText(boundBy)}${left}`];
  });
}
