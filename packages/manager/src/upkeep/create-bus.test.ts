/** Tests of the first commit of a bus, also where a set-up is run again. */
import { createBusId, createRootKey, parseRootKey, type Trust } from '@certbus/events';
import { createMemoryLog } from '@certbus/store/memory';
import { expect, test } from 'vitest';
import { createBus } from './create-bus.ts';

const root = parseRootKey(createRootKey());
const recipient = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
const newTrust = (): Trust => ({ busId: createBusId(), rootKey: root.publicKey });
const given = (trust: Trust) => ({
  trust,
  root,
  managers: [{ name: 'alice', signingKey: root.publicKey, recipient }],
  recipients: [{ name: 'edge', recipient }],
});

test('a bus is begun once, with or without the floor that was written meanwhile', async () => {
  const log = createMemoryLog();
  const trust = newTrust();
  const { created, floor } = await createBus(log, 'test', given(trust));
  expect(created).toBe(true);
  expect(floor).toMatchObject({ position: 1, rootSequence: 2 });
  for (const again of [trust, { ...trust, floor }])
    expect(await createBus(log, 'test', given(again))).toEqual({ created: false, floor });
});

test('a bus that was begun and is gone is not begun again', async () => {
  const trust = newTrust();
  const { floor } = await createBus(createMemoryLog(), 'test', given(trust));
  const log = createMemoryLog();
  await expect(createBus(log, 'test', given({ ...trust, floor }))).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_BELOW_FLOOR',
  });
  expect((await log.read('test', 0)).commits).toEqual([]);
});

test('a stream that holds another bus is left alone', async () => {
  const log = createMemoryLog();
  const { floor } = await createBus(log, 'test', given(newTrust()));
  const other = newTrust();
  for (const trust of [other, { ...other, floor }])
    await expect(createBus(log, 'test', given(trust))).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_BUS_EXISTS' });
});
