/** Refused buses of the test vectors. Each has one fault, in its last commit, so that the order of checks does not matter. */
import type { EventsErrorCode } from '../errors.ts';
import { createBusId } from '../trust.ts';
import {
  asManager,
  beginDraft,
  type Draft,
  emptyDraft,
  type Forgery,
  firstEvents,
  type Payload,
} from './draft.builders.ts';
import { examplesOf } from './examples.builders.ts';
import type { Recipe } from './vector.builders.ts';
import type { World } from './world.builders.ts';

const removed = { type: 'CertificateRemoved', certificateId: 'UALDUHpdGMs' } as const;
const A_HASH = 'A'.repeat(43);

/** A good first commit, and behind it one with this forgery. */
const second =
  (forgery: Forgery | ((world: World) => Forgery), events: readonly unknown[] = [removed]) =>
  (world: World): Draft =>
    beginDraft(world).forge(events, typeof forgery === 'function' ? forgery(world) : forgery);

/** A good first commit, and behind it one with these events. */
const withEvents =
  (make: (draft: Draft) => readonly unknown[]) =>
  (world: World): Draft => {
    const draft = beginDraft(world);
    return draft.forge(make(draft));
  };

/** A first commit with these events. */
const first =
  (make: (draft: Draft) => readonly unknown[], forgery: (world: World) => Forgery = () => ({})) =>
  (world: World): Draft => {
    const draft = emptyDraft(world);
    return draft.forge(make(draft), { by: world.root, ...forgery(world) });
  };

const malformed = (name: string, about: string, write: Recipe['write']): Recipe => ({
  name,
  about,
  reason: 'CERTBUS_EVENTS_COMMIT_MALFORMED',
  write,
});

const refused = (code: string, name: string, about: string, write: Recipe['write']): Recipe => ({
  name,
  about,
  reason: `CERTBUS_EVENTS_${code}` as EventsErrorCode,
  write,
});

/** Changes the second line of a commit. */
const secondLine = (change: (line: string) => string): Forgery => ({
  bytes(commit) {
    const end = commit.indexOf('\n') + 1;
    return Buffer.concat([commit.subarray(0, end), Buffer.from(change(commit.subarray(end).toString()))]);
  },
});

/** Makes the last character of base64url stand for other bits that a decoder drops: the next one of the alphabet. */
function otherTail(encoded: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return encoded.slice(0, -1) + alphabet[alphabet.indexOf(encoded.slice(-1)) + 1];
}

/** Replaces one character in the middle. */
const damage = (encoded: string): string =>
  encoded.slice(0, 40) + (encoded[40] === 'A' ? 'B' : 'A') + encoded.slice(41);

const LINES: readonly Recipe[] = [
  malformed(
    'one-line',
    'The second line is missing.',
    second({ bytes: (commit) => commit.subarray(0, commit.indexOf('\n') + 1) }),
  ),
  malformed(
    'no-last-line-feed',
    'The last line feed is missing.',
    second({ bytes: (commit) => commit.subarray(0, -1) }),
  ),
  malformed(
    'third-line',
    'An empty line follows.',
    second({ bytes: (commit) => Buffer.concat([commit, Buffer.from('\n')]) }),
  ),
  malformed(
    'carriage-return',
    'The second line ends with a carriage return and a line feed.',
    second(secondLine((line) => line.replace('\n', '\r\n'))),
  ),
  malformed('two-spaces', 'Two spaces before the signature.', second(secondLine((line) => line.replace(' ', '  ')))),
  malformed(
    'key-id-in-upper-case',
    'The key id is in upper case.',
    second(
      secondLine(
        (line) =>
          `${line
            .slice(0, 16)
            .toUpperCase()
            .replace(/^\d{16}$/, 'ABCDEFABCDEFABCD')}${line.slice(16)}`,
      ),
    ),
  ),
  malformed(
    'signature-with-padding',
    'The signature is base64url with padding.',
    second(secondLine((line) => line.replace('\n', '==\n'))),
  ),
  malformed(
    'signature-not-canonical',
    'The last character of the signature has bits that a decoder drops: the same 64 bytes, another hash.',
    second(secondLine((line) => `${otherTail(line.slice(0, -1))}\n`)),
  ),
  malformed(
    'signature-too-short',
    'The signature has 63 bytes.',
    second(secondLine((line) => `${line.slice(0, 17)}${'A'.repeat(84)}\n`)),
  ),
];

const JSON_FAULTS: readonly Recipe[] = [
  malformed('not-json', 'The payload is not JSON.', second({ text: (json) => json.slice(0, -1) })),
  malformed('two-values', 'Something follows the JSON.', second({ text: (json) => `${json}{}` })),
  malformed('not-an-object', 'The payload is an array.', second({ text: (json) => `[${json}]` })),
  malformed(
    'byte-order-mark',
    'The payload begins with a byte order mark.',
    second({ text: (json) => `\ufeff${json}` }),
  ),
  malformed(
    'not-utf-8',
    'The payload has a byte that is not UTF-8, in a field that nobody reads.',
    second({
      payload: { colour: 'X' },
      text: (json) => Buffer.from(json.replace('"colour":"X"', '"colour":"\u00ff"'), 'latin1'),
    }),
  ),
  malformed(
    'key-twice',
    'The payload has the key position twice, with the same value.',
    second({ text: (json) => json.replace('"position":2', '"position":2,"position":2') }),
  ),
  malformed(
    'key-twice-by-escape',
    'The payload has a key twice, once with an escape.',
    second({ text: (json) => json.replace('"position":2', '"position":2,"\\u0070osition":2') }),
  ),
  malformed(
    'key-twice-in-unknown',
    'A key is twice in an object of a field that nobody knows.',
    second({ text: (json) => json.replace('"format":1', '"format":1,"colour":[{"a":1,"a":1}]') }),
  ),
];

const FIELDS: readonly Recipe[] = [
  ...(
    [
      ['format-missing', { format: undefined }],
      ['format-0', { format: 0 }],
      ['format-text', { format: '1' }],
      ['bus-missing', { bus: undefined }],
      ['bus-too-short', { bus: 'A'.repeat(42) }],
      ['id-missing', { id: undefined }],
      ['id-not-canonical', { id: `${'A'.repeat(21)}B` }],
      ['id-of-15-bytes', { id: 'A'.repeat(20) }],
      ['position-missing', { position: undefined }],
      ['position-text', { position: '2' }],
      ['position-fraction', { position: 2.5 }],
      ['position-2-to-the-53', { position: 2 ** 53 }],
      ['previous-missing', { previous: undefined }],
      ['previous-not-canonical', { previous: `${'A'.repeat(42)}B` }],
      ['at-missing', { at: undefined }],
      ['at-with-offset', { at: '2026-11-24T03:02:00+00:00' }],
      ['at-without-zone', { at: '2026-11-24T03:02:00' }],
      ['at-of-no-calendar', { at: '2027-02-29T03:02:00Z' }],
      ['by-missing', { by: undefined }],
      ['by-too-long', { by: 'a'.repeat(4_097) }],
      ['events-missing', { events: undefined }],
      ['events-empty', { events: [] }],
      ['event-not-an-object', { events: ['CertificateRemoved'] }],
      ['event-without-type', { events: [{ certificateId: 'UALDUHpdGMs' }] }],
      ['event-type-number', { events: [{ type: 7 }] }],
    ] satisfies [string, Payload][]
  ).map(([name, payload]) => malformed(`payload-${name}`, `The payload is wrong: ${name}.`, second({ payload }))),
];

const PLACE: readonly Recipe[] = [
  refused(
    'OTHER_BUS',
    'other-bus',
    'A commit of another bus with the same root and manager.',
    second(() => ({ payload: { bus: createBusId() } })),
  ),
  refused(
    'POSITION_WRONG',
    'position-skipped',
    'Signed for position 3, stored at 2.',
    second({ payload: { position: 3 } }),
  ),
  refused(
    'POSITION_WRONG',
    'position-repeated',
    'Signed for position 1, stored at 2.',
    second({ payload: { position: 1 } }),
  ),
  refused('POSITION_WRONG', 'stored-elsewhere', 'Signed for position 2, and stored at 3.', second({ storedAt: 3 })),
  refused(
    'HISTORY_FORKED',
    'forked',
    'It continues another commit than the one before it.',
    second({ payload: { previous: A_HASH } }),
  ),
  refused('HISTORY_FORKED', 'previous-null-later', 'It continues nothing.', second({ payload: { previous: null } })),
  refused(
    'HISTORY_FORKED',
    'previous-at-position-1',
    'The first commit continues something.',
    first(firstEvents, () => ({ payload: { previous: A_HASH } })),
  ),
  refused(
    'FORMAT_WRONG',
    'format-not-announced',
    'Format 2, which the root did not announce.',
    second({ payload: { format: 2 } }),
  ),
  refused('FORMAT_WRONG', 'format-lower-than-announced', 'Format 1 behind a commit that raised it to 2.', (world) => {
    const draft = beginDraft(world);
    return draft.write([draft.root({ type: 'FormatRaised', format: 2 })]).forge([removed]);
  }),
  refused(
    'FORMAT_UNKNOWN',
    'format-raised',
    'Format 2 behind a commit that raised it to 2: a reader of format 1 stops, and the bus is good.',
    (world) => {
      const draft = beginDraft(world);
      return draft
        .write([draft.root({ type: 'FormatRaised', format: 2 })])
        .forge([], { payload: { format: 2, events: { of: 'format 2' } } });
    },
  ),
  refused(
    'FORMAT_UNKNOWN',
    'format-raised-to-other-bytes',
    'Bytes that have no form of format 1, behind a commit that raised it to 2: a reader of format 1 stops, and the bus is good.',
    (world) => {
      const draft = beginDraft(world);
      return draft
        .write([draft.root({ type: 'FormatRaised', format: 2 })])
        .forge([removed], { bytes: () => Buffer.from('a commit of format 2') });
    },
  ),
];

const SIGNERS: readonly Recipe[] = [
  refused(
    'SIGNER_NOT_IN_FORCE',
    'signed-by-a-stranger',
    'Signed by a key that manages nothing, under the name of a manager.',
    second(({ bob }) => ({ signer: bob.signer })),
  ),
  refused('SIGNER_NOT_IN_FORCE', 'signed-under-another-name', 'Signed by alice, as bob; both are managers.', (world) =>
    beginDraft(world, [world.alice, world.bob]).forge([removed], { payload: { by: 'bob' } }),
  ),
  refused(
    'SIGNER_NOT_IN_FORCE',
    'signed-as-root-by-a-manager',
    'Signed by a manager, as root.',
    second({ payload: { by: 'root' } }),
  ),
  refused(
    'SIGNER_NOT_IN_FORCE',
    'signed-as-a-manager-by-root',
    'Signed by the root, as a manager.',
    second(({ root }) => ({ signer: root.signer })),
  ),
  refused(
    'SIGNER_NOT_IN_FORCE',
    'signed-by-a-manager-to-come',
    'Signed by a manager whom the same commit names.',
    (world) => {
      const draft = beginDraft(world);
      return draft.forge([draft.root({ type: 'ManagersUpdated', managers: [asManager(world.bob)] })], {
        by: world.bob,
      });
    },
  ),
  refused(
    'SIGNER_NOT_IN_FORCE',
    'signed-by-a-manager-who-left',
    'Signed by a manager whom the root dropped in the commit before.',
    (world) => {
      const draft = beginDraft(world);
      return draft.write([draft.root({ type: 'ManagersUpdated', managers: [asManager(world.bob)] })]).forge([removed]);
    },
  ),
  refused(
    'SIGNER_NOT_IN_FORCE',
    'signed-by-an-expelled-manager',
    'Signed by a manager who was expelled, and whom a later list of managers names again.',
    (world) => {
      const draft = beginDraft(world, [world.alice, world.bob]);
      const { signer, name } = world.bob;
      const { position } = draft.place;
      draft.write([draft.root({ type: 'ManagerExpelled', manager: name, key: signer.publicKey, since: position + 1 })]);
      draft.write([draft.root({ type: 'ManagersUpdated', managers: [world.alice, world.bob].map(asManager) })]);
      return draft.forge([removed], { by: world.bob });
    },
  ),
  refused(
    'SIGNER_NOT_IN_FORCE',
    'first-commit-by-a-manager',
    'The first commit, signed by the manager whom it names.',
    first(firstEvents, ({ alice }) => ({ by: alice })),
  ),
  refused(
    'SIGNATURE_INVALID',
    'signature-damaged',
    'One character of the signature is another one.',
    second(secondLine((line) => line.slice(0, 17) + damage(line.slice(17)))),
  ),
  refused(
    'SIGNATURE_INVALID',
    'payload-changed',
    'One letter of the payload was changed after it was signed.',
    second({
      bytes: (commit) => Buffer.from(commit.toString().replace('UALDUHpdGMs', 'UALDUHpdGMt')),
    }),
  ),
  refused(
    'SIGNATURE_INVALID',
    'key-id-of-another',
    'Signed by a stranger, with the key id of a manager.',
    second(({ alice, bob }) => ({
      signer: bob.signer,
      ...secondLine((line) => alice.signer.keyId + line.slice(16)),
    })),
  ),
  refused(
    'SIGNATURE_INVALID',
    'signed-without-context',
    'The signature is over the payload alone.',
    second({
      message: (line) => line.subarray('certbus/commit/v1\0'.length),
    }),
  ),
  refused(
    'SIGNATURE_INVALID',
    'signed-with-line-feed',
    'The signature is over the payload and its line feed.',
    second({
      message: (line) => Buffer.concat([line, Buffer.from('\n')]),
    }),
  ),
  {
    name: 'forged-by-an-expelled-manager',
    about:
      "A commit in alice's name that alice did not sign, behind it one that bob signed, and the root's expulsion of bob from there on. A reader that checks one signature a segment accepts this bus, and both are void.",
    reason: 'CERTBUS_EVENTS_SIGNATURE_INVALID',
    position: 2,
    voided: ['2 CertificateRemoved', '3 CertificateRemoved'],
    write(world) {
      const { alice, bob, root } = world;
      const draft = beginDraft(world, [alice, bob]);
      draft.forge([removed], {
        signer: bob.signer,
        ...secondLine((line) => alice.signer.keyId + line.slice(16)),
      });
      draft.write([removed], { by: bob });
      const expelled = { type: 'ManagerExpelled', manager: bob.name, key: bob.signer.publicKey, since: 2 };
      return draft.write([draft.root(expelled)], { by: root });
    },
  },
  {
    name: 'signature-damaged-inside',
    about:
      'The signature of a commit in the middle is damaged, and the one behind it is good. A reader that checks one signature a segment accepts this bus.',
    reason: 'CERTBUS_EVENTS_SIGNATURE_INVALID',
    position: 2,
    write: (world) => second(secondLine((line) => line.slice(0, 17) + damage(line.slice(17))))(world).write([removed]),
  },
];

const ROOT_EVENTS: readonly Recipe[] = [
  ...(['ManagersUpdated', 'ManagerExpelled', 'RecipientsUpdated', 'FormatRaised', 'BusRestored'] as const).map((type) =>
    malformed(
      `${type}-without-envelope`,
      `A ${type} that the root did not sign.`,
      withEvents((draft) => [examplesOf(draft.world, draft.place)[type]]),
    ),
  ),
  ...(
    [
      ['sequence-missing', { rootSequence: undefined }],
      ['sequence-text', { rootSequence: '3' }],
      ['body-missing', { body: undefined }],
      ['body-object', { body: {} }],
      ['body-not-json', { body: '{' }],
      ['body-of-another-type', { type: 'RecipientsUpdated' }],
      ['signature-null', { rootSignature: null }],
      ['signature-too-short', { rootSignature: 'A'.repeat(84) }],
      ['signature-not-canonical', { rootSignature: `${'A'.repeat(85)}B` }],
    ] satisfies [string, Payload][]
  ).map(([name, change]) =>
    malformed(
      `envelope-${name}`,
      `The envelope is wrong: ${name}.`,
      withEvents((draft) => [
        { ...draft.root({ type: 'ManagersUpdated', managers: [asManager(draft.world.alice)] }), ...change },
      ]),
    ),
  ),
  malformed(
    'envelope-body-with-key-twice',
    'The body of a root event has a key twice.',
    withEvents((draft) => {
      const envelope = draft.root({ type: 'ManagersUpdated', managers: [asManager(draft.world.alice)] });
      return [{ ...envelope, body: envelope.body.replace('{', '{"type":"ManagersUpdated",') }];
    }),
  ),
  malformed(
    'managers-with-a-name-twice',
    'Two managers have the same name.',
    withEvents((draft) => {
      const { alice, bob } = draft.world;
      return [draft.root({ type: 'ManagersUpdated', managers: [alice, { ...bob, name: 'alice' }].map(asManager) })];
    }),
  ),
  malformed(
    'managers-empty',
    'The root names nobody.',
    withEvents((draft) => [draft.root({ type: 'ManagersUpdated', managers: [] })]),
  ),
  malformed(
    'recipients-21',
    'The root names 21 recipients.',
    withEvents((draft) => {
      const recipients = Array.from({ length: 21 }, (_, n) => ({ ...draft.world.recipients[0], name: `edge${n}` }));
      return [draft.root({ type: 'RecipientsUpdated', recipients })];
    }),
  ),
  refused(
    'ROOT_SIGNATURE_INVALID',
    'root-event-by-a-manager',
    'A list of managers that a manager signed in the place of the root.',
    withEvents((draft) => [
      draft.root(
        { type: 'ManagersUpdated', managers: [asManager(draft.world.bob)] },
        { signer: draft.world.alice.signer },
      ),
    ]),
  ),
  refused(
    'ROOT_SIGNATURE_INVALID',
    'root-event-of-another-bus',
    'A root event that the same root signed for another bus.',
    withEvents((draft) => [
      draft.root({ type: 'ManagersUpdated', managers: [asManager(draft.world.bob)] }, { busId: createBusId() }),
    ]),
  ),
  refused(
    'ROOT_SIGNATURE_INVALID',
    'root-event-with-another-body',
    'The body was changed after it was signed.',
    withEvents((draft) => {
      const envelope = draft.root({ type: 'ManagersUpdated', managers: [asManager(draft.world.alice)] });
      return [{ ...envelope, body: envelope.body.replace('"alice"', '"alicf"') }];
    }),
  ),
  refused(
    'ROOT_SIGNATURE_INVALID',
    'root-event-with-another-sequence',
    'A root event in another place of the sequence than it was signed for, where it would be due.',
    withEvents((draft) => {
      const envelope = draft.root({ type: 'ManagersUpdated', managers: [asManager(draft.world.bob)] }, { sequence: 4 });
      return [{ ...envelope, rootSequence: 3 }];
    }),
  ),
  refused(
    'ROOT_SIGNATURE_INVALID',
    'root-event-with-a-lone-surrogate',
    'The body has a lone surrogate: as UTF-8 it would be another text.',
    withEvents((draft) =>
      [draft.root({ type: 'ManagersUpdated', managers: [{ ...asManager(draft.world.alice), colour: 'X' }] })].map(
        (envelope) => ({ ...envelope, body: envelope.body.replace('"X"', '"\ud800"') }),
      ),
    ),
  ),
  refused(
    'ROOT_SIGNATURE_INVALID',
    'unknown-root-event-by-a-manager',
    'An envelope of an unknown type that the root did not sign.',
    withEvents((draft) => [draft.root({ type: 'SunRisen' }, { signer: draft.world.alice.signer })]),
  ),
  refused(
    'ROOT_SEQUENCE_WRONG',
    'root-event-played-again',
    'The list of managers of the first commit, once more.',
    withEvents((draft) => [
      draft.root({ type: 'ManagersUpdated', managers: [asManager(draft.world.alice)] }, { sequence: 1 }),
    ]),
  ),
  refused(
    'ROOT_SEQUENCE_WRONG',
    'root-event-skipped',
    'The sequence leaps, and the event is not a restore.',
    withEvents((draft) => [
      draft.root({ type: 'ManagersUpdated', managers: [asManager(draft.world.alice)] }, { sequence: 5 }),
    ]),
  ),
  refused(
    'ROOT_SEQUENCE_WRONG',
    'root-event-twice-in-a-commit',
    'The same root event twice in one commit.',
    withEvents((draft) => {
      const envelope = draft.root({ type: 'ManagersUpdated', managers: [asManager(draft.world.alice)] });
      return [envelope, envelope];
    }),
  ),
  refused(
    'ROOT_SEQUENCE_WRONG',
    'restore-played-again',
    'A restore with a sequence that was used.',
    withEvents((draft) => {
      const { position, hash } = draft.place;
      return [draft.root({ type: 'BusRestored', position, hash }, { sequence: 2 })];
    }),
  ),
  refused(
    'FORMAT_WRONG',
    'format-raised-to-the-same',
    'The root announces the format that is in force.',
    withEvents((draft) => [draft.root({ type: 'FormatRaised', format: 1 })]),
  ),
  refused(
    'POSITION_WRONG',
    'restore-of-another-position',
    'A restore that belongs behind another position.',
    withEvents((draft) => [
      draft.root({ type: 'BusRestored', position: draft.place.position + 1, hash: draft.place.hash }),
    ]),
  ),
  refused(
    'POSITION_WRONG',
    'restore-of-another-hash',
    'A restore that belongs behind another commit.',
    withEvents((draft) => [draft.root({ type: 'BusRestored', position: draft.place.position, hash: A_HASH })]),
  ),
];

const FLOORS: readonly Recipe[] = [
  {
    name: 'floor-beyond-the-end',
    about: 'The bus is good as far as it goes, and ends before the floor of its trust file: it was cut off.',
    reason: 'CERTBUS_EVENTS_BELOW_FLOOR',
    floor: () => ({ position: 3, hash: A_HASH, rootSequence: 2 }),
    write: (world) => beginDraft(world).write([removed]),
  },
  {
    name: 'floor-of-another-commit',
    about: 'The bus has another commit where the floor of its trust file is.',
    reason: 'CERTBUS_EVENTS_BELOW_FLOOR',
    floor: () => ({ position: 2, hash: A_HASH, rootSequence: 2 }),
    write: (world) => beginDraft(world).write([removed]),
  },
  {
    name: 'floor-with-more-root-events',
    about: 'The bus has fewer root events at the floor than its trust file says: changes of keys are missing.',
    reason: 'CERTBUS_EVENTS_BELOW_FLOOR',
    floor: ({ place: { position, hash } }) => ({ position, hash, rootSequence: 3 }),
    write: (world) => beginDraft(world).write([removed]),
  },
];

const BEGINNINGS: readonly Recipe[] = [
  refused(
    'OTHER_BUS',
    'no-BusCreated',
    'The first commit does not begin with BusCreated.',
    first((draft) => firstEvents(draft).slice(1)),
  ),
  refused(
    'OTHER_BUS',
    'BusCreated-not-first',
    'BusCreated is not the first event.',
    first((draft) => {
      const [created, ...others] = firstEvents(draft);
      return [...others, created];
    }),
  ),
  refused(
    'OTHER_BUS',
    'BusCreated-of-another-root',
    'BusCreated names another root than the trust line.',
    first((draft) => [
      { type: 'BusCreated', busId: draft.world.trust.busId, rootKey: draft.world.bob.signer.publicKey },
      ...firstEvents(draft).slice(1),
    ]),
  ),
  refused(
    'OTHER_BUS',
    'BusCreated-of-another-bus',
    'BusCreated names another bus than the trust line.',
    first((draft) => [
      { type: 'BusCreated', busId: createBusId(), rootKey: draft.world.trust.rootKey },
      ...firstEvents(draft).slice(1),
    ]),
  ),
  refused(
    'OTHER_BUS',
    'BusCreated-later',
    'The right BusCreated, at position 2.',
    withEvents((draft) => [examplesOf(draft.world, draft.place).BusCreated]),
  ),
];

/** The refused buses. */
export const REFUSED: readonly Recipe[] = [
  ...LINES,
  ...JSON_FAULTS,
  ...FIELDS,
  ...PLACE,
  ...SIGNERS,
  ...ROOT_EVENTS,
  ...FLOORS,
  ...BEGINNINGS,
];
