/** Tests of what a function takes from its process and from an invocation. */
import { expect, test } from 'vitest';
import { checkVariables, deadlineOf, functionVariables, notRead } from './invocation.ts';

const now = new Date('2026-11-29T12:00:00.000Z');
/** How long a run lasts, seconds, where the invocation has so many milliseconds left. */
const secondsFor = (leftMs: number) =>
  (deadlineOf({ getRemainingTimeInMillis: () => leftMs }, now).getTime() - now.getTime()) / 1_000;

test.each([
  ['the longest that Lambda gives', 900_000, 870],
  ['a minute', 60_000, 30],
  ['less than a minute, half of which is for what is released', 59_999, 29.999],
  ['less than what is kept for that', 12_000, 6],
  ['one millisecond', 1, 0],
  ['none', 0, 0],
  ['less than none', -5_000, 0],
  ['more than a quarter of an hour, as where a function is managed', 5_400_000, 5_370],
])('the run ends 30 s before an invocation that has %s', (_, leftMs, seconds) => {
  expect(secondsFor(leftMs)).toBe(seconds);
});

test.each([
  ['no such function', {}],
  ['not a number', { getRemainingTimeInMillis: () => Number.NaN }],
  ['no end', { getRemainingTimeInMillis: () => Number.POSITIVE_INFINITY }],
  ['a text', { getRemainingTimeInMillis: () => '60000' as unknown as number }],
])('a context that says nothing of the time that is left, with %s, is one of a quarter of an hour', (_, context) => {
  expect(deadlineOf(context, now)).toEqual(new Date('2026-11-29T12:14:30.000Z'));
});

test.each([
  [{}, '/tmp/certbus'],
  [{ TMPDIR: '' }, '/tmp/certbus'],
  [{ TMPDIR: '/var/tmp' }, '/var/tmp/certbus'],
  [{ TMPDIR: '/var/tmp', CERTBUS_STATE_DIR: '/mnt/state' }, '/mnt/state'],
])('%o keeps its state in %s', (variables, CERTBUS_STATE_DIR) => {
  const more = { ...variables, CERTBUS_BUS: 'x', CERTBUS_LOG_FORMAT: 'json' };
  // Each line is made JSON where it is written.
  expect(functionVariables(more)).toEqual({ ...more, CERTBUS_STATE_DIR, CERTBUS_LOG_FORMAT: 'text' });
});

test.each([
  ['0 s', 0, /give the function more time: in the template its timeout is 900 s/i],
  ['1.5 s', 1_500, /give the function more time/i],
  ['870 s', 870_000, /bus snapshot/],
])('a bus that is not read in %s has an error that says why', (time, leftMs, advice) => {
  const { code, message } = notRead(leftMs);
  expect(code).toBe('CERTBUS_LAMBDA_BUS_NOT_READ');
  expect(message).toContain(`The bus was not read in the ${time} that this invocation had for it. `);
  expect(message).toMatch(advice);
});

const REFERENCE = 'ssm:/certbus/prod/manager-key';

test.each(['CERTBUS_MANAGER_KEY', 'CERTBUS_IDENTITY', 'CERTBUS_ROOT_KEY'])(
  'a key in %s itself is refused without a word of it',
  (name) => {
    const check = () => checkVariables({ CERTBUS_MANAGER_KEY: REFERENCE, [name]: 'certbus-key-5ecret' }, () => {});
    expect(check).toThrow(
      expect.objectContaining({
        code: 'CERTBUS_CLI_SECRET_REFERENCE_INVALID',
        message: expect.stringMatching(new RegExp(`^${name} of this function (?!.*5ecret)`, 's')),
      }),
    );
  },
);

test('a secret of the configuration in a variable itself is a warning without a word of it, and a reference is none', () => {
  const lines: unknown[] = [];
  const variables = {
    CERTBUS_MANAGER_KEY: REFERENCE,
    CERTBUS_IDENTITY: '',
    CERTBUS_ROOT_KEY: undefined,
    CERTBUS_SECRET_DNS: 'secretsmanager:dns',
    CERTBUS_SECRET_DNS_HOSTS: 'dns.example.com',
    CERTBUS_SECRET_HOOK: '5ecret',
  };
  checkVariables(variables, (line, level) => lines.push({ line, level }));
  expect(lines).toEqual([
    { level: 'warn', line: expect.stringMatching(/^CERTBUS_SECRET_HOOK of this function (?!.*5ecret)/) },
  ]);
});
