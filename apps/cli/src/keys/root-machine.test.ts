/** Tests of the record that keeps a root from signing two changes for one place. */
import { openRootJournal } from '@certbus/runtime';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { createSignedBefore } from './root-machine.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const BUS = 'b'.repeat(43);

/** A reply with a change for each of these places. */
const reply = (request: string, ...places: number[]) => ({
  request,
  busId: BUS,
  rootEvents: places.map((rootSequence) => ({
    type: 'FormatRaised',
    rootSequence,
    body: '{"type":"FormatRaised","format":2}',
    rootSignature: Buffer.alloc(64).toString('base64url'),
  })),
});

test('a root signs no second change for any place of the request before, and replaces one only where it is asked to', () => {
  const open = () => createSignedBefore(openRootJournal(folder.path, BUS));
  const [first, otherTerminal] = [open(), open()];
  const refused = expect.objectContaining({ code: 'CERTBUS_MANAGER_REQUEST_REFUSED' });
  first.check(reply('request1', 2), { replace: false });
  otherTerminal.keep(reply('request0', 2, 3, 4), { replace: false });
  // The other terminal signed while this one waited for an answer.
  expect(() => first.keep(reply('request1', 2), { replace: false })).toThrow(refused);
  for (const place of [3, 4]) {
    expect(() => first.check(reply('request1', place), { replace: false })).toThrow(refused);
    expect(() => first.check(reply('request1', place), { replace: true })).not.toThrow();
  }
  first.check(reply('request0', 2, 3, 4), { replace: false });
  expect(() => first.check(reply('request1', 1), { replace: true })).toThrow(
    expect.objectContaining({ code: 'CERTBUS_MANAGER_REQUEST_OUTDATED' }),
  );
  first.keep(reply('request1', 2), { replace: true });
  // What was replaced was signed all the same, and its later places with it.
  expect(() => open().check(reply('request2', 3), { replace: false })).toThrow(refused);
  open().keep(reply('request2', 5), { replace: false });
});

test('of two that sign at once the one that comes second is refused, not only the one that looks second', () => {
  const [journal, otherTerminal] = [openRootJournal(folder.path, BUS), openRootJournal(folder.path, BUS)];
  const refused = expect.objectContaining({ code: 'CERTBUS_MANAGER_REQUEST_REFUSED' });
  const keepInBetween = () => createSignedBefore(otherTerminal).keep(reply('request4', 6, 7), { replace: false });
  journal.keep(reply('request3', 6), () => expect(keepInBetween).toThrow(refused));
  expect(journal.read()?.last.request).toBe('request3');
  expect(keepInBetween).toThrow(refused);
  createSignedBefore(otherTerminal).keep(reply('request5', 8), { replace: false });
});
