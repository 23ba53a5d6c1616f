/** Good buses of the test vectors. */
import { type EventType, schemas } from '../event-types/event-schema.ts';
import { sha256 } from '../hash.ts';
import type { Floor } from '../trust.ts';
import { asManager, beginDraft, type Draft, type Payload, written } from './draft.builders.ts';
import { examplesOf } from './examples.builders.ts';
import type { Recipe } from './vector.builders.ts';
import type { World } from './world.builders.ts';

/** They are in the first commit, and nothing follows a format that nobody knows. */
const NOT_IN_TURN = new Set<EventType>(['BusCreated', 'ManagersUpdated', 'RecipientsUpdated', 'FormatRaised']);

const isOptional = (type: EventType, field: string): boolean => {
  const schema = schemas[type].entries[field];
  return typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'optional';
};

/** One event of each type, each in a commit of its own; `keep` says which fields. */
function everyEvent(world: World, keep: (type: EventType, field: string) => boolean): Draft {
  const draft = beginDraft(world);
  const example = (type: EventType) => {
    const event = examplesOf(world, draft.place)[type];
    return Object.fromEntries(Object.entries(event).filter(([field]) => keep(type, field)));
  };
  const types = (Object.keys(examplesOf(world, draft.place)) as EventType[]).filter((type) => !NOT_IN_TURN.has(type));
  for (const type of ['ManagersUpdated' as const, ...types, 'FormatRaised' as const])
    draft.write([written(draft, example(type))]);
  return draft;
}

const removed = { type: 'CertificateRemoved', certificateId: 'UALDUHpdGMs' } as const;

/** An event that fits its table, and does not fit where it stands. */
function voidEvents(world: World): Draft {
  const draft = beginDraft(world);
  const { position, at } = draft.place;
  const example = examplesOf(world, draft.place);
  const after = (ms: number) => new Date(at.getTime() + ms).toISOString();
  const hour = 3_600_000;
  return draft.forge([
    { ...example.IssuerAdded, hash: world.leafHash },
    { ...example.ChallengePresented, expiresAt: after(hour + 1) },
    { ...example.IssuanceStarted, until: after(24 * hour + 1) },
    { ...example.IssuanceStarted, recipientsPosition: position + 2 },
    { ...example.IssuanceTakenOver, until: after(24 * hour + 1) },
    { ...example.CsrReplaced, recipientsPosition: position + 2 },
    { ...example.RangeArchived, first: 2, last: 1 },
    { ...example.RangeArchived, last: position + 1 },
    { ...example.SnapshotTaken, position: position + 1 },
    { ...example.CampaignStarted, obtainedSince: position + 2 },
    removed,
  ]);
}

/** Fields that do not fit their tables: one of each kind. Tests try every field of every event. */
const MISFITS = [
  ['id', { ...removed, certificateId: '-ALDUHpdGMs' }],
  ['id-with-line-feed', { ...removed, certificateId: 'UALDUHpdGMs\n' }],
  ['field-missing', { type: 'CertificateRemoved' }],
  ['null-for-absent', { type: 'IssuanceFailed', directory: null }],
  ['hash', { type: 'PrivateKeyResealed', leafHash: `${'A'.repeat(42)}B` }],
  ['base64', { type: 'PrivateKeyResealed', sealedKey: 'AB==' }],
  ['base64-without-padding', { type: 'PrivateKeyResealed', sealedKey: 'AA' }],
  ['base64url-for-base64', { type: 'PrivateKeyResealed', sealedKey: '-_AA' }],
  ['count', { type: 'IssuanceFailed', attempt: 0 }],
  ['count-fraction', { type: 'IssuanceFailed', attempt: 1.5 }],
  ['text-too-long', { type: 'IssuanceFailed', detail: 'a'.repeat(4_097) }],
  ['instant', { type: 'IssuanceFailed', notBefore: '2026-11-24' }],
  ['instant-of-no-calendar', { type: 'IssuanceFailed', notBefore: '2026-02-30T00:00:00Z' }],
  ['one-of', { type: 'IssuanceStarted', challengeType: 'DNS-01' }],
  ['names-empty', { type: 'IssuanceStarted', names: [] }],
  ['token', { type: 'ChallengePresented', token: 'a.b' }],
  ['serial', { type: 'CertificateImported', serialNumber: '0a' }],
  ['reason', { type: 'CertificateRevoked', reason: 11 }],
] satisfies [string, Payload & { readonly type: string }][];

function misfits(world: World): Draft {
  const draft = beginDraft(world);
  const examples: Readonly<Record<string, object>> = examplesOf(world, draft.place);
  const events = MISFITS.map(([name, change]) => ({
    ...(name === 'field-missing' ? {} : examples[change.type]),
    ...change,
  }));
  return draft.forge([...events, removed]);
}

/** A manager whose key was stolen: what the thief wrote, and the root's answer. */
function expulsion(world: World): Draft {
  const { alice, bob } = world;
  const draft = beginDraft(world, [alice, bob]);
  const example = examplesOf(world, draft.place);
  draft.write([example.ConfigUpdated], { by: bob });
  draft.forge(
    [
      example.IssuerAdded,
      { ...example.IssuerAdded, hash: world.leafHash },
      example.AccountRegistered,
      example.CertificateObtained,
      example.CertificateImported,
      removed,
      { type: 'MoonPhaseChanged' },
      draft.root({ type: 'RecipientsUpdated', recipients: world.recipients }),
    ],
    { by: bob },
  );
  draft.write([removed]);
  const { position } = draft.place;
  draft.write(
    [draft.root({ type: 'ManagerExpelled', manager: bob.name, key: bob.signer.publicKey, since: position - 1 })],
    { by: world.root },
  );
  return draft.write([example.ConfigUpdated]);
}

/** The most and the least that fields can hold, and what is just not void. */
function limits(world: World): Draft {
  const draft = beginDraft(world);
  const { position, at } = draft.place;
  const example = examplesOf(world, draft.place);
  const after = (ms: number) => new Date(at.getTime() + ms).toISOString();
  const hour = 3_600_000;
  return draft.forge(
    [
      { ...example.ChallengePresented, expiresAt: after(hour).replace('Z', '999Z'), token: 'a'.repeat(256) },
      { ...example.IssuanceStarted, until: after(24 * hour), recipientsPosition: position + 1, profile: '' },
      {
        ...example.IssuanceFailed,
        detail: '\u{1f512}'.repeat(2_048),
        class: 'of a later release',
        attempt: 2 ** 53 - 1,
      },
      { ...example.CertificateRemoved, certificateId: 'a'.repeat(32) },
      { ...example.CertificateRevoked, certificateId: '_abcdefg', reason: 10 },
      { ...example.CertificateObtained, names: Array.from({ length: 100 }, () => 'a'.repeat(255)), issuers: [] },
      { ...example.ConfigUpdated, sealed: '' },
    ],
    { at: `${at.toISOString().slice(0, 19)}.000999999Z` },
  );
}

/** The first commit as a floor. */
const floorOfFirst = ({ stored }: Draft): Floor => ({
  position: 1,
  hash: sha256(stored[0]?.bytes ?? new Uint8Array()),
  rootSequence: 2,
});

/** The good buses. */
export const ACCEPTED: readonly Recipe[] = [
  {
    name: 'every-event',
    about:
      'One event of each type with every field. Its last commit raises the format, so that a reader must stop behind it.',
    write: (world) => everyEvent(world, () => true),
  },
  {
    name: 'optional-fields-absent',
    about: 'The same without the fields that are optional.',
    write: (world) => everyEvent(world, (type, field) => !isOptional(type, field)),
  },
  {
    name: 'first-commit',
    about: 'Nothing but the first commit, which the root signs.',
    write: (world) => beginDraft(world),
  },
  {
    name: 'managers-change',
    about: 'The root names another manager, who signs the next commit; the former one is dropped.',
    write(world) {
      const draft = beginDraft(world);
      draft.write([draft.root({ type: 'ManagersUpdated', managers: [asManager(world.bob)] })]);
      return draft.write([removed], { by: world.bob });
    },
  },
  {
    name: 'root-signs-later',
    about: 'The root is always in force: it signs a later commit, which a manager could have signed.',
    write: (world) => beginDraft(world).write([removed], { by: world.root }),
  },
  {
    name: 'several-root-events-in-one-commit',
    about: 'Two lists of managers in one commit: the last one counts, and only from the next commit on.',
    write(world) {
      const draft = beginDraft(world);
      const name = (...parties: World['alice'][]) =>
        draft.root({ type: 'ManagersUpdated', managers: parties.map(asManager) });
      draft.write([name(world.alice), removed, name(world.bob)]);
      return draft.write([removed], { by: world.bob });
    },
  },
  {
    name: 'restored-with-a-leap',
    about: 'A restore whose root sequence leaps by 100, and a root event behind it.',
    write(world) {
      const draft = beginDraft(world).write([removed]);
      const { position, hash, rootSequence } = draft.place;
      const body = { type: 'BusRestored', position, hash };
      draft.write([draft.root(body, { sequence: rootSequence + 100 })], { by: world.root });
      return draft.write([draft.root({ type: 'RecipientsUpdated', recipients: world.recipients.slice(1) })]);
    },
  },
  {
    name: 'void-events',
    about: 'Events that do not fit where they stand: the commit is good, and they do not count.',
    voided: [
      '2 IssuerAdded',
      '2 ChallengePresented',
      '2 IssuanceStarted',
      '2 IssuanceStarted',
      '2 IssuanceTakenOver',
      '2 CsrReplaced',
      '2 RangeArchived',
      '2 RangeArchived',
      '2 SnapshotTaken',
      '2 CampaignStarted',
    ],
    write: voidEvents,
  },
  {
    name: 'fields-that-do-not-fit',
    about:
      'Events with a field that does not fit its table, one of each kind of value: they are void, and the commit is good.',
    voided: MISFITS.map(([, { type }]) => `2 ${type}`),
    write: misfits,
  },
  {
    name: 'expelled-manager',
    about:
      'The root expels bob from position 3 on. What bob wrote there is void, but for certificates and an issuer with the right hash, and for what the root signed itself; what bob wrote before stays.',
    voided: ['3 IssuerAdded', '3 AccountRegistered', '3 CertificateRemoved', '3 MoonPhaseChanged'],
    write: expulsion,
  },
  {
    name: 'limits',
    about:
      'The most and the least that fields can hold, an instant of nine digits, and claims that are just not too long.',
    write: limits,
  },
  {
    name: 'unknown-types-and-fields',
    about:
      'What a later release may add: a type, a field of an event, of a manager, of the payload and of an envelope, and an envelope of an unknown type.',
    unknown: ['MoonPhaseChanged', 'CertificateRemoved.colour', 'SunRisen'],
    write(world) {
      const draft = beginDraft(world);
      const managers = [{ ...asManager(world.alice), colour: 'red' }];
      return draft.forge(
        [
          { type: 'MoonPhaseChanged', deep: [[{ certificateId: 7 }]] },
          { ...removed, colour: 'red' },
          { ...draft.root({ type: 'ManagersUpdated', managers }), colour: 'red' },
          draft.root({ type: 'SunRisen' }),
        ],
        { payload: { colour: 'red' } },
      );
    },
  },
  {
    name: 'other-json',
    about:
      'The same JSON in other words: white space, escapes, another order of keys, other forms of a number, a lone surrogate.',
    write: (world) =>
      beginDraft(world).forge([{ ...examplesOf(world, emptyPlace).IssuanceFailed, detail: '\ud800' }], {
        text: (json) =>
          `\t{ "events" :${/"events":(.*)\}$/.exec(json)?.[1] ?? ''},\r${json
            .slice(1)
            .replace(/,"events":.*$/, '}')
            .replace('"position":2', '"position":20.0e-1')
            .replace('"by":"alice"', '"\\u0062y" : "\\u0061lice"')} `,
      }),
  },
  {
    name: 'floor-reached',
    about: 'The trust file has a floor, which the bus reaches and goes beyond.',
    floor: floorOfFirst,
    write: (world) => beginDraft(world).write([removed]),
  },
  {
    name: 'floor-left-behind-by-a-restore',
    about: 'The bus ends below the floor, and was restored by the root since, with a higher sequence.',
    floor: (draft) => ({ position: 100, hash: 'A'.repeat(43), rootSequence: draft.place.rootSequence - 2 }),
    write(world) {
      const draft = beginDraft(world);
      const { position, hash, rootSequence } = draft.place;
      return draft.write([draft.root({ type: 'BusRestored', position, hash }, { sequence: rootSequence + 100 })], {
        by: world.root,
      });
    },
  },
  {
    name: 'id-twice',
    about: 'Two commits with the same id: certbus bus verify reports it, and nobody refuses it.',
    write(world) {
      const payload = { id: 'AAAAAAAAAAAAAAAAAAAAAA' };
      return beginDraft(world).forge([removed], { payload }).forge([removed], { payload });
    },
  },
  {
    name: 'time-runs-back',
    about: 'A commit that was signed before the one in front of it, by its clock.',
    write: (world) => beginDraft(world).forge([removed], { at: '2020-02-29T00:00:00Z' }),
  },
];

const emptyPlace = { position: 1, hash: '', rootSequence: 1, at: new Date('2026-11-24T03:02:00Z') };
