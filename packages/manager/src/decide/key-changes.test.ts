/** Tests of what the root is asked to sign where managers or recipients change. */
import type { Manager, Recipient } from '@certbus/events';
import { expect, test } from 'vitest';
import { changeKeys, type KeyChange, type KeysInForce } from './key-changes.ts';

const manager = (name: string, letter = name[0] ?? 'a'): Manager => ({
  name,
  signingKey: letter.repeat(43),
  recipient: `age1${letter.repeat(58)}`,
});
const recipient = (name: string, letter = name[0] ?? 'e'): Recipient => ({
  name,
  recipient: `age1${letter.repeat(58)}`,
});

const alice = manager('alice');
const bob = manager('bob');
const edge = recipient('edge');
const backup = recipient('backup', 'c');
const expelled = [{ manager: 'mallory', key: 'm'.repeat(43), since: 7, position: 9, sequence: 3 }];
const inForce: KeysInForce = { managers: [alice, bob], recipients: [edge, backup], expelled };

test.each<[string, KeyChange, unknown]>([
  [
    'a manager comes last',
    { kind: 'add-manager', manager: manager('carol') },
    { managers: [alice, bob, manager('carol')] },
  ],
  ['a manager goes', { kind: 'remove-manager', name: 'bob' }, { managers: [alice] }],
  [
    'a recipient comes last',
    { kind: 'add-recipient', recipient: recipient('new') },
    { recipients: [edge, backup, recipient('new')] },
  ],
  ['a recipient goes', { kind: 'remove-recipient', name: 'backup' }, { recipients: [edge] }],
  [
    'a manager is expelled',
    { kind: 'expel-manager', suspect: { manager: 'bob', key: bob.signingKey, since: 5 } },
    { type: 'ManagerExpelled', manager: 'bob', key: bob.signingKey, since: 5 },
  ],
  [
    'one that was expelled is expelled from an earlier position on',
    { kind: 'expel-manager', suspect: { manager: 'mallory', key: 'm'.repeat(43), since: 6 } },
    { type: 'ManagerExpelled', since: 6 },
  ],
])('%s', (_, change, body) => {
  expect(changeKeys(inForce, change)).toEqual([expect.objectContaining(body)]);
});

test.each<[string, KeyChange]>([
  ['a manager that is there', { kind: 'add-manager', manager: alice }],
  ['a recipient that is there', { kind: 'add-recipient', recipient: edge }],
  [
    'an expulsion that covers as much',
    { kind: 'expel-manager', suspect: { manager: 'mallory', key: 'm'.repeat(43), since: 8 } },
  ],
])('%s changes nothing', (_, change) => {
  expect(changeKeys(inForce, change)).toEqual([]);
});

const only: KeysInForce = { managers: [alice], recipients: [edge], expelled: [] };

test.each<[string, KeyChange, KeysInForce?]>([
  ['another manager of one name', { kind: 'add-manager', manager: manager('alice', 'x') }],
  [
    'a signing key that another manager has',
    { kind: 'add-manager', manager: { ...manager('carol'), signingKey: bob.signingKey } },
  ],
  [
    'a recipient that another manager has',
    { kind: 'add-manager', manager: { ...manager('carol'), recipient: bob.recipient } },
  ],
  ['a key that was expelled', { kind: 'add-manager', manager: manager('mallory') }],
  ['a name that steers a terminal', { kind: 'add-manager', manager: manager('carol\u001b[2K', 'x') }],
  ['a name that turns text round', { kind: 'add-recipient', recipient: recipient('\u202ewen', 'x') }],
  ['a name without a character', { kind: 'add-recipient', recipient: recipient('', 'x') }],
  ['another recipient of one name', { kind: 'add-recipient', recipient: recipient('edge', 'x') }],
  ['one recipient by two names', { kind: 'add-recipient', recipient: { name: 'other', recipient: edge.recipient } }],
  ['the removal of the last manager', { kind: 'remove-manager', name: 'alice' }, only],
  ['the removal of the last recipient', { kind: 'remove-recipient', name: 'edge' }, only],
  [
    'the expulsion of the last manager',
    { kind: 'expel-manager', suspect: { manager: 'alice', key: alice.signingKey, since: 2 } },
    only,
  ],
])('%s is refused', (_, change, state = inForce) => {
  expect(() => changeKeys(state, change)).toThrow(
    expect.objectContaining({
      code: 'CERTBUS_MANAGER_CHANGE_REFUSED',
      message: expect.not.stringMatching(/[\p{Cc}\p{Bidi_Control}]/u),
    }),
  );
});

test('a name that is not on the list is not found, and those on it are named', () => {
  expect(() => changeKeys(inForce, { kind: 'remove-manager', name: 'dave' })).toThrow(
    expect.objectContaining({
      code: 'CERTBUS_MANAGER_MANAGER_NOT_FOUND',
      message: expect.stringContaining('"alice", "bob"'),
    }),
  );
  expect(() => changeKeys(inForce, { kind: 'remove-recipient', name: 'dave' })).toThrow(
    expect.objectContaining({ code: 'CERTBUS_MANAGER_RECIPIENT_NOT_FOUND' }),
  );
});
