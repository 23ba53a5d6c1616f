import { once } from 'node:events';
import { expect, test } from 'vitest';
import { keyTypeUnused } from '../errors.ts';
import { createEmitter } from './events.ts';

test('an alarm that nobody listens to becomes a warning of the process, once for each code', async () => {
  const emitter = createEmitter();
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  const warned = once(process, 'warning');
  emitter.raise(keyTypeUnused('a.test'));
  emitter.raise(keyTypeUnused('b.test'));
  const heard: Error[] = [];
  emitter.on('alarm', (error) => heard.push(error));
  emitter.raise(keyTypeUnused('c.test'));
  await warned;
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', note);
  expect(warnings).toMatchObject([{ name: 'CertBusAlarm', code: 'CERTBUS_CLIENT_KEY_TYPE_UNUSED' }]);
  expect(heard).toHaveLength(1);
});
