import { expect, test } from 'vitest';
import { AgentError } from '../errors.ts';
import type { Standing } from '../reconcile/pass.ts';
import type { TargetStatus } from '../reconcile/worker.ts';
import { createAlarms } from './alarms.ts';
import { createStatusLog } from './status-log.ts';

const status = (problems: Readonly<Record<string, string | undefined>>, error?: string): TargetStatus => ({
  ...{ name: 'haproxy', isPaused: false, position: 1, checkedAt: undefined, behindSince: undefined },
  ...{ passes: { inPlace: 0, inPart: 0, failed: 0 } },
  error: error === undefined ? undefined : new Error(error),
  standings: new Map(
    Object.entries(problems).map(([id, problem]): [string, Standing] => [
      id,
      {
        ...{ names: [id], leafHash: undefined, notAfter: new Date(0) },
        problem: problem === undefined ? undefined : new AgentError('CERTBUS_AGENT_NOT_SERVED', problem),
      },
    ]),
  ),
});

test('a certificate that fails is an alarm once, until it fails in another way or is in place', () => {
  const lines: string[] = [];
  const alarms = createAlarms();
  const take = createStatusLog((line) => lines.push(line), alarms.raise);
  const logged = (...args: Parameters<typeof status>) => {
    take(status(...args));
    return lines.splice(0);
  };
  expect(logged({ a: 'no', b: undefined })).toEqual(['alarm: haproxy: no']);
  expect(logged({ a: 'no', b: undefined })).toEqual([]);
  expect(logged({ a: 'no', b: 'never' }, 'away')).toEqual(['haproxy: away', 'alarm: haproxy: never']);
  const heard: string[] = [];
  alarms.listen(({ message }) => heard.push(message));
  expect(logged({ a: 'still not', b: 'never' }, 'away')).toEqual(['alarm: haproxy: still not']);
  expect(logged({ a: undefined, b: undefined })).toEqual(['haproxy: 2 certificates in place']);
  expect(logged({ a: 'no', b: undefined })).toEqual(['alarm: haproxy: no']);
  expect(heard).toEqual(['no', 'never', 'still not', 'no']);
});

test('of thousands that fail at one time ten are logged, and all are counted', () => {
  const lines: string[] = [];
  const alarms = createAlarms();
  let heard = 0;
  alarms.listen(() => {
    heard += 1;
  });
  const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`id-${n}`, 'no']));
  createStatusLog((line) => lines.push(line), alarms.raise)(status(many));
  expect(lines).toHaveLength(11);
  expect(lines.at(-1)).toBe('alarm: haproxy: and 2990 more; "certbus-agent status" lists them');
  expect(heard).toBe(3_000);
});
