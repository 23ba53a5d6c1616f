import { once } from 'node:events';
import { expect, test } from 'vitest';
import { keyTypeUnused } from '../errors.ts';
import { createEmitter } from './events.ts';

const CHANGE = { certificateId: 'certificate1', names: ['a.test'], removed: false };

/** The warnings of the process while something runs. */
async function warningsOf(work: () => void): Promise<Error[]> {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  const warned = once(process, 'warning');
  work();
  await warned;
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', note);
  return warnings;
}

test('an alarm that nobody listens to becomes a warning of the process, once for each code', async () => {
  const emitter = createEmitter();
  const heard: Error[] = [];
  const warnings = await warningsOf(() => {
    emitter.raise(keyTypeUnused('a.test'));
    emitter.raise(keyTypeUnused('b.test'));
    emitter.on('alarm', (error) => heard.push(error));
    emitter.raise(keyTypeUnused('c.test'));
  });
  expect(warnings).toMatchObject([{ name: 'CertBusAlarm', code: 'CERTBUS_CLIENT_KEY_TYPE_UNUSED' }]);
  expect(heard).toHaveLength(1);
});

test('a listener that fails stops neither the others nor the client, and is one alarm', async () => {
  const emitter = createEmitter();
  const [alarms, heard]: [Error[], string[]] = [[], []];
  emitter.on('alarm', (error) => alarms.push(error));
  emitter.on('changed', () => {
    throw new TypeError('mine is broken');
  });
  emitter.on('changed', ({ names }) => Promise.reject(new Error(`later: ${names.join()}`)) as never);
  emitter.on('changed', ({ certificateId }) => heard.push(certificateId));
  for (let times = 0; times < 3; times += 1) emitter.emit('changed', CHANGE);
  await new Promise((resolve) => setImmediate(resolve));
  expect(heard).toHaveLength(3);
  const failed = { code: 'CERTBUS_CLIENT_LISTENER_FAILED' };
  expect(alarms).toMatchObject([
    { ...failed, message: expect.stringContaining('"changed" failed: mine is broken') },
    { ...failed, message: expect.stringContaining('later: a.test') },
  ]);
});

test("an alarm's listener that fails is a warning of the process, and the others hear the alarm", async () => {
  const emitter = createEmitter();
  const heard: Error[] = [];
  emitter.on('alarm', () => {
    throw new Error('no pager');
  });
  emitter.on('alarm', (error) => heard.push(error));
  const warnings = await warningsOf(() => emitter.raise(keyTypeUnused('a.test')));
  expect(warnings).toMatchObject([
    { code: 'CERTBUS_CLIENT_LISTENER_FAILED', message: expect.stringContaining('no pager') },
  ]);
  expect(heard).toMatchObject([{ code: 'CERTBUS_CLIENT_KEY_TYPE_UNUSED' }]);
});
