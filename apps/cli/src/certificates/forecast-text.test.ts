/** How forecasts read. */
import { expect, test } from 'vitest';
import { describeForecast, describeWaits, limitText } from './forecast-text.ts';

const FRIDAY = new Date('2027-01-01T10:00:00Z');
const SATURDAY = new Date('2027-01-02T11:30:00Z');

const forecast = {
  certificates: 1_200,
  unconfigured: 0,
  replacedAt: FRIDAY,
  servedAt: FRIDAY,
  caughtUpAt: SATURDAY,
  longestDelaySeconds: 90,
  authorities: [{ name: 'ca', certificates: 1_200, replacedAt: FRIDAY, boundBy: 'orders' }],
};

test('a forecast says when the last replacement is expected, what it delays, and what limits it', () => {
  expect(describeForecast(forecast)).toEqual([
    '1,200 certificates to replace, the last one on Friday 2027-01-01 10:00 UTC; no renewal is late after Saturday 2027-01-02 11:30 UTC; other renewals wait up to 2 minutes',
    "  ca: 1,200 certificates, the last one on Friday 2027-01-01 10:00 UTC, limited by the CA's limit of new orders",
  ]);
  const [endless] = describeForecast({ ...forecast, caughtUpAt: undefined, longestDelaySeconds: 0 });
  expect(endless).toContain('; some renewals stay late beyond the end of this plan; no other renewal waits for it');
});

test('what came from a CA that is not configured has no date, and is named', () => {
  const line =
    '  3 certificates of a CA that is not in the configuration: an order for one fails until "certbus cert renew ID --authority NAME" moves it';
  expect(describeForecast({ ...forecast, certificates: 1_203, unconfigured: 3 }).at(-1)).toBe(line);
  const nothingElse = { ...forecast, certificates: 3, unconfigured: 3, authorities: [] };
  expect(describeForecast(nothingElse)).toEqual(['3 certificates to replace', line]);
});

test('a forecast of nothing names no date', () => {
  expect(describeForecast({ ...forecast, certificates: 0, authorities: [] })).toEqual(['no certificate to replace']);
});

test.each([
  ['pace', 'this manager\'s parallel orders ("parallelOrders")'],
  ['requests', 'the requests that the CA allows an address'],
  ['rate', '--rate'],
  ['domains example.com', 'domains example.com'],
])('the limit "%s" is %s', (boundBy, text) => {
  expect(limitText(boundBy)).toBe(text);
});

test('renewals that a CA has no room for are said to wait, and for how long', () => {
  const authority = {
    name: 'ca',
    directory: 'https://ca.test/dir',
    orders: { left: 0, capacity: 2 },
    renewalsPerHour: 0.07,
  };
  const waits = (longestDelaySeconds: number, leftOver: number) =>
    describeWaits([{ ...authority, boundBy: 'orders', longestDelaySeconds, leftOver }]);
  expect(waits(0, 0)).toEqual([]);
  expect(waits(3_601, 0)).toEqual(["renewals at ca wait up to 2 hours, limited by the CA's limit of new orders"]);
  expect(waits(9 * 86_400, 1)).toEqual([
    "renewals at ca wait up to 9 days, limited by the CA's limit of new orders; 1 renewal of this plan goes after its end",
  ]);
  expect(waits(9 * 86_400, 1_200)[0]).toMatch(/; 1,200 renewals of this plan go after its end$/);
});
