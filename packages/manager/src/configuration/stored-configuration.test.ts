/** Tests of how the configuration on the bus is opened. */
import { createManagerKey, type ManagerKey, parseIdentityFile, parseManagerKey, seal } from '@certbus/events';
import { expect, test } from 'vitest';
import type { ManagerView } from '../state/view.ts';
import { readConfiguration } from './stored-configuration.ts';

/** A manager's key, and how often its identity was used. */
async function drawKey(): Promise<{ readonly key: ManagerKey; readonly recipient: string; uses(): number }> {
  const parsed = parseManagerKey(await createManagerKey());
  let uses = 0;
  const key: ManagerKey = {
    ...parsed,
    get identity() {
      uses += 1;
      return parsed.identity;
    },
  };
  const { recipient } = await parseIdentityFile(parsed.identity);
  return { key, recipient, uses: () => uses };
}

/** A view of a bus with this configuration. */
const viewOf = (sealed: string, position: number) =>
  ({ state: { bus: { config: { sealed, position } } } }) as unknown as ManagerView;

test('a configuration is opened once, however many issuances read it, and a new one again', async () => {
  const { key, recipient, uses } = await drawKey();
  const sealText = (json: object) => seal(JSON.stringify(json), [{ name: 'manager', recipient }]);
  const [first, second] = [await sealText({ version: 1 }), await sealText({ version: 2 })];
  const together = Array.from({ length: 20 }, () => readConfiguration({ view: viewOf(first, 3), key }));
  const [one, other] = await Promise.all(together);
  expect(one).toEqual({ json: { version: 1 }, position: 3 });
  // What a caller changes is its own.
  expect(other?.json).not.toBe(one?.json);
  expect(uses()).toBe(1);
  expect(await readConfiguration({ view: viewOf(second, 4), key })).toEqual({ json: { version: 2 }, position: 4 });
  expect(uses()).toBe(2);
});

test('what one key opened is not shown to another', async () => {
  const [mine, stranger] = [await drawKey(), await drawKey()];
  const sealed = await seal('{}', [{ name: 'manager', recipient: mine.recipient }]);
  expect(await readConfiguration({ view: viewOf(sealed, 3), key: mine.key })).toMatchObject({ position: 3 });
  for (let tries = 0; tries < 2; tries += 1)
    await expect(readConfiguration({ view: viewOf(sealed, 3), key: stranger.key })).rejects.toMatchObject({
      code: 'CERTBUS_EVENTS_NOT_OPENED',
    });
  expect(stranger.uses()).toBe(2);
});
