import { expect, test } from 'vitest';
import { newBus, newClient } from '../client.builders.ts';

test('what a client does is logged: what it serves, names without a certificate, alarms', async () => {
  const lines: string[] = [];
  const logAs = (level: string) => (message: string) => lines.push(`${level}: ${message}`);
  const logger = { debug: () => {}, info: logAs('info'), warn: logAs('warn'), error: logAs('error') };
  const bus = await newBus();
  const client = await newClient(bus, { logger });
  const { certificateId } = await bus.issue(Array.from({ length: 12 }, (_, n) => `${n}.test`));
  await expect.poll(() => client.health().certificates.served).toBe(1);
  await bus.remove(certificateId);
  await expect.poll(() => lines.some((line) => line.startsWith('info: removed'))).toBe(true);
  for (let n = 0; n < 30; n += 1) client.sniCallback('b.test', () => {});
  await expect.poll(() => client.health().missingNameCount).toBe(30);
  // That a first start read everything is a line as well.
  const shown = lines.filter((line) => !line.startsWith('warn') && !line.includes('as a whole'));
  expect(shown).toEqual([
    'info: caught up with the bus',
    expect.stringMatching(/^info: serving (\d+\.test ){10}and 2 more \(/),
    expect.stringMatching(/^info: removed /),
  ]);
  expect(lines.filter((line) => line.startsWith('warn'))).toEqual(
    Array.from({ length: 10 }, () => 'warn: no certificate covers "b.test"'),
  );
});
