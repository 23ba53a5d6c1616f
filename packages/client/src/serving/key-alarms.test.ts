import { expect, test } from 'vitest';
import { ClientError } from '../errors.ts';
import { createKeyAlarms } from './key-alarms.ts';

const refusal = (id: string) => new ClientError('CERTBUS_CLIENT_KEY_NOT_OPENED', `certificate ${id} does not open`);

function listen(isRecipient: boolean) {
  const alarms: ClientError[] = [];
  const keys = createKeyAlarms({
    describeBus: () => ({ isRecipient, served: 1_000 }),
    raise: (error) => alarms.push(error),
  });
  return { alarms, keys };
}

test('where no key opens it is one alarm, with the count, however many certificates are asked for', () => {
  const { alarms, keys } = listen(false);
  for (let id = 0; id < 1_000; id += 1) keys.refused(refusal(String(id)));
  expect(alarms).toMatchObject([
    { code: 'CERTBUS_CLIENT_NO_KEY_OPENS', message: expect.stringMatching(/1000 certificates.*certificate 0/) },
  ]);
});

test('once a key opens, those that do not are alarms again, and what was held back is told with its count', () => {
  const { alarms, keys } = listen(true);
  for (const id of ['one', 'two', 'three']) keys.refused(refusal(id));
  expect(alarms.map(({ message }) => message)).toEqual(['certificate one does not open']);
  keys.opened();
  keys.opened();
  keys.refused(refusal('four'));
  expect(alarms.slice(1)).toMatchObject([
    { code: 'CERTBUS_CLIENT_KEY_NOT_OPENED', message: expect.stringMatching(/2 more certificates.*certificate three/) },
    { message: 'certificate four does not open' },
  ]);
});
