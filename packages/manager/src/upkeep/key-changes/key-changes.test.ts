/** Tests of changes of a bus's keys: what is asked for, what the root signs of it, and what is appended. */
import { accountThumbprint, generateAccountKey } from '@certbus/acme';
import {
  createBusId,
  createManagerKey,
  createRootKey,
  type Manager as NamedManager,
  open,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  seal,
} from '@certbus/events';
import { floorAt, readEvent, signRootEvent } from '@certbus/events/history';
import { type Bus, openBus, VersionConflictError } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeEach, expect, test } from 'vitest';
import {
  appendChangeAsRoot,
  examineRequest,
  formatReply,
  formatRequest,
  isReplyTo,
  type KeyChange,
  type Manager,
  parseReply,
  parseRequest,
  type RootReply,
  type RootRequest,
  requestChange,
  signRequest,
} from '../../index.ts';
import { createSite, type ProcessOptions, type Site, withManager } from '../../issuance/manager.builders.ts';
import { describeChange } from './wording.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const DIRECTORY = 'https://ca.test/directory';
const ACCOUNT = 'https://ca.test/account/1';
const CONFIG = {
  version: 1,
  authorities: { ca: { directory: DIRECTORY, termsOfServiceAgreed: true } },
  defaultAuthority: 'ca',
  dns: [{ zones: ['*'], provider: 'cloudflare', token: 'hunter2' }],
};

let sites = 0;
let site: Site;
/** Bob's keys, and what a machine with them has. */
let bobKey: string;
let bob: NamedManager;

const asBob = (): Site => ({ ...site, managerKey: bobKey });
const rootOf = () => parseRootKey(site.rootKey);
const as = <T>(who: Site, run: (manager: Manager) => Promise<T>, options: Partial<ProcessOptions> = {}) =>
  withManager(who, { holder: 'test', ...options }, run);

beforeEach(async () => {
  sites += 1;
  site = await createSite(`${folder.path}/bus${sites}.db`, CONFIG);
  bobKey = await createManagerKey();
  const { recipient } = await parseIdentityFile(bobKey);
  bob = { name: 'bob', signingKey: parseManagerKey(bobKey).signer.publicKey, recipient };
});

/** What alice asks for, as it comes out of its file. */
async function request(change: KeyChange): Promise<RootRequest> {
  const made = await as(site, async (manager) => requestChange(await manager.rootState(), site.trust.busId, change));
  if (!made) throw new TypeError('it is in force already');
  return parseRequest(formatRequest(made));
}

const examine = (asked: RootRequest, trust = site.trust) =>
  examineRequest(asked, { trust, rootKey: rootOf().publicKey });

/** What the root signs of it, as it comes out of its file. */
async function sign(asked: RootRequest): Promise<RootReply> {
  const { rootSequence } = await examine(asked);
  return parseReply(formatReply(signRequest(asked, { root: rootOf(), rootSequence })));
}

const append = (reply: RootReply, options: Partial<ProcessOptions> = {}) =>
  as(site, (manager) => manager.appendChange(reply), options);

const recipientsWithout = (name: string) =>
  as(site, async ({ checkpoint }) => checkpoint.recipients.filter((each) => each.name !== name));
const change = async (asked: KeyChange) => append(await sign(await request(asked)));
const addBob = (): KeyChange => ({ kind: 'add-manager', manager: bob });

/** All that is sealed to the managers, once {@link putAccount} has put an account there. */
const LEFT = ['the configuration', `the key of ${ACCOUNT}`, `the next key of the account at ${DIRECTORY}`];

const recipientOf = async (keyFile: string): Promise<string> => (await parseIdentityFile(keyFile)).recipient;

/** Puts an account and a key that is to come for it on the bus, as alice's roll-over would leave them. */
async function putAccount(): Promise<{ accountKey: string; nextKey: string }> {
  const [accountKey, nextKey] = await Promise.all([generateAccountKey(), generateAccountKey()]);
  const log = await openLog(site.address);
  const { signer } = parseManagerKey(site.managerKey);
  const bus = openBus(log, 'test', { trust: site.trust, signer });
  await as(site, async ({ checkpoint, state }) => {
    const readers = [...checkpoint.managers, ...state.bus.recipients.filter(({ name }) => name === 'backup')];
    const sealed = async (key: string) => ({ thumbprint: accountThumbprint(key), sealedKey: await seal(key, readers) });
    const account = {
      directory: DIRECTORY,
      accountUrl: ACCOUNT,
      ...(await sealed(accountKey)),
      stateless: true,
    } as const;
    const next = { directory: DIRECTORY, ...(await sealed(nextKey)) };
    const events = [
      { type: 'AccountRegistered', ...account },
      { type: 'AccountKeyRollOverStarted', ...next },
    ] as const;
    await bus.append(checkpoint, events, { at: new Date() });
  });
  await log.close();
  return { accountKey, nextKey };
}

/** What an identity opens of all that is sealed to the managers. */
async function opens(identity: string): Promise<readonly string[]> {
  const sealed = await as(site, async ({ state: { bus } }) => [
    bus.config?.sealed ?? '',
    ...bus.accounts.map(({ sealedKey }) => sealedKey),
    ...bus.nextAccountKeys.map(({ sealedKey }) => sealedKey),
  ]);
  const opened = await Promise.all(sealed.map((each) => open(each, identity).catch(() => undefined)));
  return opened.filter((each) => each !== undefined);
}

test('who comes reads configuration and account keys from the same commit on, who goes reads none that follows', async () => {
  const { accountKey, nextKey } = await putAccount();
  const positions = () =>
    as(site, async ({ state: { bus } }) => [...bus.accounts, ...bus.nextAccountKeys].map((key) => key.keyPosition));
  const before = await positions();
  const added = await change(addBob());
  expect(added).toMatchObject({ appended: true, left: [], exposure: { secrets: [], accounts: [] } });
  const { identity } = parseManagerKey(bobKey);
  expect(await opens(identity)).toEqual([JSON.stringify(CONFIG), accountKey, nextKey]);
  // They are as old as they were: a manager that is expelled later has had them since then.
  expect(await positions()).toEqual(before);
  await as(asBob(), async (manager) => {
    expect(manager.checkpoint).toMatchObject({ position: added.position, rootSequence: 3 });
    expect(manager.state.bus.accounts).toMatchObject([{ accountUrl: ACCOUNT, stateless: true }]);
    await manager.configure(CONFIG);
  });
  const removed = await change({ kind: 'remove-manager', name: 'bob' });
  expect(removed.exposure).toEqual({ secrets: [{ path: 'dns.0.token', variable: undefined }], accounts: [ACCOUNT] });
  expect(removed.floor).toMatchObject({ position: removed.position, rootSequence: 4 });
  expect(await opens(identity)).toEqual([]);
  expect(await opens(parseManagerKey(site.managerKey).identity)).toHaveLength(3);
  await expect(as(asBob(), (manager) => manager.configure(CONFIG))).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE',
  });
});

test('where what was signed is on the bus already, in part or whole, what is left to do is said again', async () => {
  await putAccount();
  await change(addBob());
  const carol = {
    name: 'carol',
    signingKey: `${'c'.repeat(42)}A`,
    recipient: await recipientOf(await createManagerKey()),
  };
  const backup = await recipientOf(site.identities[1] ?? '');
  const { managers, recipients } = await as(site, async ({ checkpoint }) => checkpoint);
  const asked = await request({ kind: 'remove-manager', name: 'bob' });
  const changes = [
    { type: 'ManagersUpdated', managers: [...managers.filter(({ name }) => name !== 'bob'), carol] },
    { type: 'RecipientsUpdated', recipients: recipients.filter(({ recipient }) => recipient !== backup) },
  ] as const;
  const reply = await sign({ ...asked, changes });
  const toDo = { exposure: { secrets: [{ path: 'dns.0.token', variable: undefined }], accounts: [ACCOUNT] } };
  await append({ ...reply, rootEvents: reply.rootEvents.slice(0, 1) });
  expect(await append(reply)).toMatchObject({ appended: true, ...toDo });
  expect(await append(reply)).toMatchObject({ appended: false, ...toDo });
});

test('a manager can remove itself where another is left, and signs nothing more', async () => {
  await change(addBob());
  const asked = await request({ kind: 'remove-manager', name: 'alice' });
  await append(await sign(asked));
  expect(await opens(parseManagerKey(site.managerKey).identity)).toEqual([]);
  await as(asBob(), (manager) => manager.configure(CONFIG));
});

test('account keys are sealed to the recipient named backup, and to no other recipient', async () => {
  const { accountKey, nextKey } = await putAccount();
  const [edge, backup] = await Promise.all(site.identities.map(parseIdentityFile));
  expect(await opens(backup?.identity ?? '')).toEqual([accountKey, nextKey]);
  const removed = await change({ kind: 'remove-recipient', name: 'backup' });
  expect(removed.exposure).toEqual({ secrets: [], accounts: [ACCOUNT] });
  expect(await opens(backup?.identity ?? '')).toEqual([]);
  const { recipient = '' } = backup ?? {};
  await change({ kind: 'add-recipient', recipient: { name: 'offline', recipient } });
  expect(await opens(recipient)).toEqual([]);
  await change({ kind: 'remove-recipient', name: 'offline' });
  await change({ kind: 'add-recipient', recipient: { name: 'backup', recipient } });
  expect(await opens(backup?.identity ?? '')).toEqual([accountKey, nextKey]);
  expect(await opens(edge?.identity ?? '')).toEqual([]);
});

test('a removed recipient is called by its name, or by its key where that is two words or was the name of another', async () => {
  const remove = async (name: string) =>
    (await change({ kind: 'remove-recipient', name })).removedRecipients.map(({ sealedTo }) => sealedTo);
  expect(await remove('backup')).toEqual(['backup']);
  for (const name of ['backup', 'edge 2']) {
    const recipient = await recipientOf(await createManagerKey());
    await change({ kind: 'add-recipient', recipient: { name, recipient } });
    expect(await remove(name)).toEqual([recipient]);
  }
});

test('a configuration that another manager writes at the same moment is the one that is sealed again', async () => {
  const other = { ...CONFIG, giveUpAfterDays: 5 };
  const reply = await sign(await request(addBob()));
  let isRaced = false;
  const throughBus = (bus: Bus): Bus => ({
    ...bus,
    async append(...call) {
      if (!isRaced) {
        isRaced = true;
        await as(site, (manager) => manager.configure(other));
      }
      return bus.append(...call);
    },
  });
  await append(reply, { throughBus });
  await as(asBob(), async (manager) => expect((await manager.configuration())?.json).toEqual(other));
});

test('what could not be opened here is named, and the change is made', async () => {
  await change(addBob());
  const log = await openLog(site.address);
  const bus = openBus(log, 'test', { trust: site.trust, signer: parseManagerKey(bobKey).signer });
  await as(site, ({ checkpoint }) =>
    bus.append(checkpoint, [{ type: 'ConfigUpdated', sealed: 'AAAA' }], { at: new Date() }),
  );
  await log.close();
  const reply = await sign(await request({ kind: 'remove-manager', name: 'bob' }));
  expect(await append(reply)).toMatchObject({ appended: true, left: ['the configuration'] });
  // Nor does it stay unsaid where a process ended behind its append.
  expect(await append(reply)).toMatchObject({ appended: false, left: ['the configuration'] });
  await as(site, (manager) => manager.configure(CONFIG));
  expect(await append(reply)).toMatchObject({ appended: false, left: [] });
});

test('a change that somebody appended without sealing anything again is reported with all that is left', async () => {
  await putAccount();
  await change(addBob());
  const reply = await sign(await request({ kind: 'remove-manager', name: 'bob' }));
  const log = await openLog(site.address);
  const bus = openBus(log, 'test', { trust: site.trust, signer: parseManagerKey(bobKey).signer });
  await as(site, ({ checkpoint }) => bus.append(checkpoint, reply.rootEvents, { at: new Date() }));
  await log.close();
  expect(await append(reply)).toMatchObject({ appended: false, left: LEFT });
});

test('texts in the place of account keys keep no change of keys from being made', async () => {
  const { accountKey, nextKey } = await putAccount();
  const log = await openLog(site.address);
  const bus = openBus(log, 'test', { trust: site.trust, signer: parseManagerKey(site.managerKey).signer });
  const { managers } = await as(site, async ({ checkpoint }) => checkpoint);
  const place = async (from: number, to: number, text: string) => {
    const sealedKey = await seal(text, managers);
    for (let n = from; n < to; n += 1) {
      const directory = `https://ca${n}.test/directory`;
      const next = {
        type: 'AccountKeyRollOverStarted',
        directory,
        thumbprint: `${'t'.repeat(42)}A`,
        sealedKey,
      } as const;
      await as(site, ({ checkpoint }) => bus.append(checkpoint, [next], { at: new Date() }));
    }
  };
  await place(0, 4, 'x'.repeat(80_000));
  await place(4, 5, 'y'.repeat(8_192));
  await log.close();
  const { left, appended } = await change(addBob());
  expect(appended).toBe(true);
  expect(left).toEqual([0, 1, 2, 3].map((n) => `the next key of the account at https://ca${n}.test/directory`));
  expect(await opens(parseManagerKey(bobKey).identity)).toEqual([
    JSON.stringify(CONFIG),
    accountKey,
    nextKey,
    'y'.repeat(8_192),
  ]);
});

test('the root is shown whole lists, who comes and who goes, in lines that steer no terminal', async () => {
  const { lines } = await examine(await request(addBob()));
  expect(lines).toEqual([
    `ADD the manager "bob", signing key ${bob.signingKey}, recipient ${bob.recipient}: it can write to the bus, order certificates, and read the configuration and the ACME account keys`,
    'all managers after this change:',
    expect.stringContaining('"alice"'),
    expect.stringContaining('"bob"'),
  ]);
});

test('a name that could pass for another is not signed, and one that is in force is shown with all that is not seen', async () => {
  const asked = await request(addBob());
  const { managers } = await as(site, async ({ checkpoint }) => checkpoint);
  const [first] = managers;
  if (!first) throw new TypeError('alice is in force');
  const names = [
    'bob\u001b[1A\u001b[2K\u202e\n"alice", nobody else',
    `bob${' '.repeat(80)}NOTHING else`,
    'alice\u200b',
    '\u2800'.repeat(80),
    'alice\u3164',
    'alice\u00a0',
    'x'.repeat(101),
  ];
  for (const name of names) {
    const changes = [
      { type: 'ManagersUpdated', managers: [...managers, { ...bob, name }] },
      { type: 'RecipientsUpdated', recipients: [{ name, recipient: bob.recipient }] },
    ] as const;
    for (const body of changes)
      await expect(examine(parseRequest(formatRequest({ ...asked, changes: [body] })))).rejects.toMatchObject({
        code: 'CERTBUS_MANAGER_REQUEST_REFUSED',
      });
  }
  const before = { managers: [{ ...first, name: `${names[0]}x  y\u200b\u009b` }], recipients: [], expelled: [] };
  const shown = describeChange(before, { type: 'ManagersUpdated', managers: [bob] });
  expect(shown.join('')).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u200b]| {2}y/u);
  expect(shown[1]).toContain(
    String.raw`REMOVE the manager "bob\u001b[1A\u001b[2K\u202e\n\"alice\", nobody elsex \u0020y\u200b\u009b"`,
  );
});

test('where a list is longer than a screen, the changes are printed once more behind it', async () => {
  const asked = await request(addBob());
  const { managers } = await as(site, async ({ checkpoint }) => checkpoint);
  const others = await Promise.all(
    Array.from({ length: 6 }, async (_, n) => {
      const key = await createManagerKey();
      const { recipient } = await parseIdentityFile(key);
      return { name: `other ${n}`, signingKey: parseManagerKey(key).signer.publicKey, recipient };
    }),
  );
  const { lines } = await examine({
    ...asked,
    changes: [{ type: 'ManagersUpdated', managers: [...managers, ...others] }],
  });
  expect(lines.slice(-7)).toEqual(['all changes once more:', ...lines.slice(0, 6)]);
});

test.each<[string, (asked: RootRequest) => object, string]>([
  ['of another bus', () => ({ bus: createBusId() }), 'CERTBUS_MANAGER_REQUEST_REFUSED'],
  [
    'whose past another root signed',
    ({ busId, rootEvents }) => ({
      rootEvents: rootEvents.map(({ position, root }) => {
        const { type: _, rootSequence, ...body } = readEvent(root).event as { type: string; rootSequence: number };
        const event = { type: root.type, ...body } as Parameters<typeof signRootEvent>[3];
        return { position, root: signRootEvent(parseRootKey(createRootKey()), busId, rootSequence, event) };
      }),
    }),
    'CERTBUS_MANAGER_REQUEST_REFUSED',
  ],
  [
    'whose past lacks a change',
    ({ rootEvents }) => ({ rootEvents: rootEvents.slice(1) }),
    'CERTBUS_MANAGER_REQUEST_REFUSED',
  ],
  [
    'that asks for a new format',
    () => ({ changes: [{ type: 'FormatRaised', format: 2 }] }),
    'CERTBUS_MANAGER_REQUEST_MALFORMED',
  ],
  ['that asks for nothing', () => ({ changes: [] }), 'CERTBUS_MANAGER_REQUEST_MALFORMED'],
  [
    'with a field that would not be shown',
    ({ changes: [first] }) => ({ changes: [{ ...first, since: 1 }] }),
    'CERTBUS_MANAGER_REQUEST_MALFORMED',
  ],
  [
    'with an empty list',
    () => ({ changes: [{ type: 'ManagersUpdated', managers: [] }] }),
    'CERTBUS_MANAGER_REQUEST_MALFORMED',
  ],
  [
    'that names what nothing can be sealed to',
    () => ({ changes: [{ type: 'ManagersUpdated', managers: [{ ...bob, recipient: `age1${'q'.repeat(58)}` }] }] }),
    'CERTBUS_EVENTS_RECIPIENTS_INVALID',
  ],
])('a request %s is not signed', async (_, altered, code) => {
  const asked = await request(addBob());
  const file = { ...JSON.parse(formatRequest(asked)), ...altered(asked) };
  await expect((async () => examine(parseRequest(JSON.stringify(file))))()).rejects.toMatchObject({ code });
});

test('a request is not signed with the key of another root, nor where bus.pub knows of a later change', async () => {
  const asked = await request(addBob());
  await expect(
    examineRequest(asked, { trust: site.trust, rootKey: parseRootKey(createRootKey()).publicKey }),
  ).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_REQUEST_REFUSED' });
  await append(await sign(asked));
  const floor = await as(site, async ({ checkpoint }) => floorAt(checkpoint));
  await expect(examine(asked, { ...site.trust, floor })).rejects.toMatchObject({
    code: 'CERTBUS_MANAGER_REQUEST_OUTDATED',
  });
  await expect(
    examine(await request({ kind: 'remove-manager', name: 'bob' }), { ...site.trust, floor }),
  ).resolves.toBeDefined();
});

test('a request does not bring back a key that the root has expelled', async () => {
  await change(addBob());
  await change({ kind: 'expel-manager', suspect: { manager: 'bob', key: bob.signingKey, since: 99 } });
  const asked = await request({ kind: 'remove-recipient', name: 'backup' });
  const changes = [{ type: 'ManagersUpdated', managers: [bob] }] as const;
  await expect(examine({ ...asked, changes })).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_REQUEST_REFUSED' });
});

test('a request expels the manager that it names, and shows who is left', async () => {
  await change(addBob());
  const expel = (manager: string, key: string): KeyChange => ({
    kind: 'expel-manager',
    suspect: { manager, key, since: 99 },
  });
  const { lines } = await examine(await request(expel('bob', bob.signingKey)));
  expect(lines).toEqual([
    expect.stringMatching(/^EXPEL the manager "bob"/),
    'all managers after this change:',
    expect.stringMatching(/^ {2}"alice"/),
  ]);
  const alice = parseManagerKey(site.managerKey).signer.publicKey;
  const { managers } = await as(site, async ({ checkpoint }) => checkpoint);
  const hidden: KeyChange = { kind: 'expel-manager', suspect: { manager: 'bob', key: alice, since: 2 }, managers };
  for (const asked of [expel('bob', alice), hidden, expel('bob', `${'c'.repeat(42)}A`)])
    await expect(examine(await request(asked))).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_REQUEST_REFUSED' });
});

test.each([
  '',
  '{',
  '[]',
  'null',
  '{"certbusRootRequest":2}',
  'CERTBUS-ROOT-KEY-1-secret',
  `"${'x'.repeat(8_000_001)}"`,
])('a file that is something else is neither a request nor a reply, and nothing of it is repeated: %#', (text) => {
  for (const parse of [parseRequest, parseReply])
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: 'CERTBUS_MANAGER_REQUEST_MALFORMED',
        message: expect.not.stringContaining('secret'),
      }),
    );
});

test('what the root signed is appended once, however often it is brought', async () => {
  const reply = await sign(await request(addBob()));
  const first = await append(reply);
  expect(await append(reply)).toEqual({ ...first, appended: false });
  await as(site, async ({ checkpoint }) => expect(checkpoint.position).toBe(first.position));
});

test.each(['before', 'after'] as const)(
  'a manager that ends %s its append goes on when it is run again',
  async (when) => {
    const reply = await sign(await request(addBob()));
    const throughBus = (bus: Bus): Bus => ({
      ...bus,
      async append(...call) {
        if (when === 'after') await bus.append(...call);
        throw new Error('the machine fails');
      },
    });
    await expect(append(reply, { throughBus })).rejects.toThrow('the machine fails');
    expect(await append(reply)).toMatchObject({ appended: when === 'before' });
    await as(asBob(), (manager) => manager.configure(CONFIG));
  },
);

test('of two changes that were signed for one place the second is refused, and made again it is taken', async () => {
  const [one, two] = [await request(addBob()), await request({ kind: 'remove-recipient', name: 'backup' })];
  const [first, second] = [await sign(one), await sign(two)];
  expect([isReplyTo(first, one), isReplyTo(first, two), isReplyTo({ ...first, request: two.id }, two)]).toEqual([
    true,
    false,
    false,
  ]);
  await append(first);
  await expect(append(second)).rejects.toMatchObject({
    code: 'CERTBUS_MANAGER_REQUEST_OUTDATED',
    message: expect.stringContaining("somebody else's came first"),
  });
  await change({ kind: 'remove-recipient', name: 'backup' });
});

test('a change that was signed behind one that is not on the bus waits for that one', async () => {
  const asked = await request(addBob());
  const [first, second] = await Promise.all(
    [2, 3].map(async (rootSequence) => signRequest(asked, { root: rootOf(), rootSequence })),
  );
  if (!first || !second) throw new TypeError('two are signed');
  await expect(append(second)).rejects.toMatchObject({
    code: 'CERTBUS_MANAGER_REQUEST_OUTDATED',
    message: expect.stringContaining('Append that one first'),
  });
  await append(first);
  await append(second);
});

test('where a part of what was signed is on the bus, the rest is appended', async () => {
  await change(addBob());
  const carol = {
    ...bob,
    name: 'carol',
    signingKey: `${'c'.repeat(42)}A`,
    recipient: (await parseIdentityFile(await createManagerKey())).recipient,
  };
  const managers = [
    ...(await as(site, async ({ checkpoint }) => checkpoint.managers)).filter(({ name }) => name !== 'bob'),
    carol,
  ];
  const reply = await sign(
    await request({ kind: 'expel-manager', suspect: { manager: 'bob', key: bob.signingKey, since: 99 }, managers }),
  );
  expect(reply.rootEvents.map(({ type }) => type)).toEqual(['ManagersUpdated', 'ManagerExpelled']);
  await append({ ...reply, rootEvents: reply.rootEvents.slice(0, 1) });
  expect(await append(reply)).toMatchObject({ appended: true, expels: true });
  await as(site, async ({ checkpoint }) => expect(checkpoint.expelled).toHaveLength(1));
});

test('nothing that a thief wrote is sealed again in the commit that expels it', async () => {
  await change(addBob());
  await as(asBob(), (manager) => manager.configure({ ...CONFIG, giveUpAfterDays: 5 }));
  const since = await as(site, async ({ checkpoint }) => checkpoint.position);
  const suspect = { manager: 'bob', key: bob.signingKey, since };
  // Who comes reads what is sealed again.
  const { recipient } = await parseIdentityFile(await createManagerKey());
  const carol = { name: 'carol', signingKey: `${'c'.repeat(42)}A`, recipient };
  const managers = [...(await as(site, async ({ checkpoint }) => checkpoint.managers)), carol];
  await change({ kind: 'expel-manager', suspect, managers });
  await as(site, async (manager) => expect((await manager.configuration())?.json).toEqual(CONFIG));
});

test.each<[string, (reply: RootReply) => RootReply]>([
  ['of another bus', (reply) => ({ ...reply, busId: createBusId() })],
  [
    'that was changed',
    (reply) => ({
      ...reply,
      rootEvents: reply.rootEvents.map((root) => ({ ...root, body: root.body.replace('bob', 'eve') })),
    }),
  ],
  [
    'of another place',
    (reply) => ({
      ...reply,
      rootEvents: reply.rootEvents.map((root) => ({ ...root, rootSequence: root.rootSequence + 1 })),
    }),
  ],
])('a reply %s is not appended', async (_, alter) => {
  const reply = await sign(await request(addBob()));
  await expect(append(alter(reply))).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_REQUEST_REFUSED' });
});

test('where the only manager key is lost the root names another by itself, also when others write at the same moment', async () => {
  await putAccount();
  const asked = await request(addBob());
  const backup = { type: 'RecipientsUpdated', recipients: await recipientsWithout('backup') } as const;
  const reply = await sign({ ...asked, changes: [...asked.changes, backup] });
  const log = await openLog(site.address);
  const bus = openBus(log, 'test', { trust: site.trust, signer: rootOf() });
  let conflicts = 1;
  const racing: Bus = {
    ...bus,
    async append(from, ...rest) {
      conflicts -= 1;
      if (conflicts >= 0) throw new VersionConflictError('test', from.position + 1, undefined);
      return bus.append(from, ...rest);
    },
  };
  const appendAsRoot = (through: Bus) =>
    as(site, (manager) => appendChangeAsRoot(through, reply, { state: () => manager.rootState() }));
  const appended = await appendAsRoot(racing);
  // The root opens neither what the configuration holds nor a key.
  expect(appended).toMatchObject({ appended: true, left: LEFT, exposure: { secrets: [], accounts: [ACCOUNT] } });
  expect(await appendAsRoot(bus)).toEqual({ ...appended, appended: false });
  await log.close();
  await as(asBob(), (manager) => manager.configure(CONFIG));
});
