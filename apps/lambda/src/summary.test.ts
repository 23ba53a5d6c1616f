/** Tests of what an invocation answers and writes to its log. */
import { expect, test } from 'vitest';
import { logLine, problemsOf, RunFailedError, summaryOf } from './summary.ts';

const at = new Date('2026-11-29T12:00:00Z');
const one = { certificateId: 'one', names: ['a.test', 'b.test'] };
const error = Object.assign(new Error('no TXT record'), { code: 'CERTBUS_ACME_CHALLENGE_FAILED' });
const result = { due: 3, renewed: 1, failed: 1, postponed: 1, position: 12, outcomes: [], problems: [], next: at };
const summary = summaryOf(result, { cold: true, durationMs: 630 });

test('a line of the log has the summary and the metrics, which name its fields', () => {
  const line = JSON.parse(logLine(summary, { problems: [], functionName: 'certbus-prod', at }));
  expect(line).toMatchObject({ level: 'INFO', due: 3, renewed: 1, failed: 1, postponed: 1, position: 12, cold: true });
  const [{ Namespace, Dimensions, Metrics }] = line._aws.CloudWatchMetrics;
  expect([Namespace, Dimensions, line._aws.Timestamp]).toEqual(['CertBus', [['FunctionName']], at.getTime()]);
  for (const { Name } of Metrics) expect(line[Name]).toBeTypeOf('number');
  expect(line.FunctionName).toBe('certbus-prod');
});

test('what went wrong beside the renewals is a warning next to the counts, and not a failed run', () => {
  const problem = { during: 'check-in' as const, error: new Error('the check-in at in.test failed') };
  const warned = summaryOf({ ...result, problems: [problem] }, { cold: true, durationMs: 630 });
  const line = JSON.parse(logLine(warned, { problems: [], functionName: 'f', at }));
  expect(line).toMatchObject({ level: 'WARN', renewed: 1, warnings: ['the check-in at in.test failed'] });
});

test.each([
  ['renewed', {}, []],
  ['claimed-elsewhere', {}, []],
  ['backed-off', {}, []],
  ['postponed', {}, []],
  ['failed', { error }, ['CERTBUS_ACME_CHALLENGE_FAILED: no TXT record']],
  ['postponed', { error: new Error('the CA is away') }, ['the CA is away']],
  ['backed-off', { isEnding: true }, ['backed-off']],
  ['claimed-elsewhere', { isEnding: true }, []],
] as const)('a certificate that is %s, %o, is a problem where it has to be looked at', (outcome, more, expected) => {
  const found = problemsOf({ outcomes: [{ ...one, outcome, ...more }] });
  expect(found).toEqual(expected.map((text) => ({ names: one.names, error: text })));
});

test('the error has the counts, and what failed', () => {
  const { name, code, message } = new RunFailedError(summary, [{ names: one.names, error: 'x' }]);
  expect({ name, code }).toEqual({ name: 'CertBusRunFailed', code: 'CERTBUS_LAMBDA_RUN_FAILED' });
  expect(message).toContain('(due 3, renewed 1, failed 1, postponed 1, position 12). a.test, b.test: x');
});

test('a hundred problems are ten in a line', () => {
  const problems = Array.from({ length: 100 }, (_, n) => ({ names: [`${n}.test`], error: 'x' }));
  expect(JSON.parse(logLine(summary, { problems, functionName: 'f', at })).problems).toHaveLength(10);
  expect(new RunFailedError(summary, problems).message).not.toContain('10.test');
});
