/** Tests of private keys that are sealed again for recipients who came later. */
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import {
  createBusId,
  createIdentity,
  createOpener,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  seal,
} from '@certbus/events';
import { openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { createTlsIdentity, temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import {
  checkResealedKeys,
  examineRequest,
  formatResealedKeys,
  type Manager,
  parseResealedKeys,
  type ResealedKey,
  requestChange,
  resealKeys,
  signRequest,
} from '../../index.ts';
import { createSite, type Site, withManager } from '../../issuance/manager.builders.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const { signal } = new AbortController();
const CONFIG = {
  version: 1,
  authorities: { ca: { directory: 'https://ca.test/directory', termsOfServiceAgreed: true } },
  defaultAuthority: 'ca',
};

let sites = 0;
let site: Site;
let leaf: X509Certificate;
/** The identities of the backup, and of a group of servers that was added when the certificate was there. */
let backup: string;
let added: string;

const as = <T>(run: (manager: Manager) => Promise<T>) => withManager(site, { holder: 'test' }, run);

async function nameRecipient(name: string, identityFile: string): Promise<void> {
  const root = parseRootKey(site.rootKey);
  const { recipient } = await parseIdentityFile(identityFile);
  await as(async (manager) => {
    const change = { kind: 'add-recipient', recipient: { name, recipient } } as const;
    const request = await requestChange(await manager.rootState(), site.trust.busId, change);
    if (!request) throw new TypeError('it is there already');
    const { rootSequence } = await examineRequest(request, { trust: site.trust, rootKey: root.publicKey });
    await manager.appendChange(signRequest(request, { root, rootSequence }));
  });
}

/** The lines of the file that is made with an identity. */
async function linesBy(identity: string): Promise<{ lines: string[]; unopened: string[] }> {
  const unopened: string[] = [];
  const lines = await as(async ({ state }) => {
    const onUnopened = ({ certificateId }: { readonly certificateId: string }) => void unopened.push(certificateId);
    const { recipientsPosition } = state.bus;
    const keys = resealKeys(state, { identity, onUnopened, signal });
    const written: string[] = [];
    for await (const line of formatResealedKeys({ busId: site.trust.busId, recipientsPosition }, keys))
      written.push(line);
    return written;
  });
  return { lines, unopened };
}

/** Files that somebody has not read to their end nor given back. */
let left = 0;

async function* streamOf(lines: readonly string[]): AsyncGenerator<string> {
  left += 1;
  try {
    yield* lines;
  } finally {
    left -= 1;
  }
}

const append = (lines: readonly string[]) =>
  as(async (manager) => {
    await checkResealedKeys(streamOf(lines));
    const text = streamOf(lines);
    try {
      const brought = await parseResealedKeys(text);
      // Those of another bus are refused before one is read.
      return await manager.appendResealedKeys(brought.keys, { for: brought.for });
    } finally {
      await text.return(undefined);
    }
  });

async function opens(identityFile: string): Promise<boolean> {
  const { identity } = await parseIdentityFile(identityFile);
  const issued = await as(async ({ state }) => state.certificate('certificate1')?.current);
  return createOpener(identity)
    .openKeyOf(issued ?? { leaf: '', sealedKey: '' })
    .then(
      () => true,
      () => false,
    );
}

afterEach(() => expect(left).toBe(0));

beforeEach(async () => {
  sites += 1;
  site = await createSite(`${folder.path}/bus${sites}.db`, CONFIG);
  backup = (await parseIdentityFile(site.identities[1] ?? '')).identity;
  const { certificate, key } = await createTlsIdentity();
  leaf = new X509Certificate(certificate);
  const log = await openLog(site.address);
  const bus = openBus(log, 'test', { trust: site.trust, signer: parseManagerKey(site.managerKey).signer });
  const content = {
    leaf: leaf.raw.toString('base64'),
    issuers: [],
    serialNumber: leaf.serialNumber,
    notBefore: new Date(leaf.validFrom).toISOString(),
    notAfter: new Date(leaf.validTo).toISOString(),
  };
  await as(
    async ({
      checkpoint,
      state: {
        bus: { recipients },
      },
    }) => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const other = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      const imported = { type: 'CertificateImported', names: ['localhost'], ...content } as const;
      await bus.append(
        checkpoint,
        [
          { ...imported, certificateId: 'certificate1', sealedKey: await seal(key, recipients) },
          // Its key is that of another certificate.
          { ...imported, certificateId: 'certificate2', sealedKey: await seal(other, recipients) },
        ],
        { at: new Date() },
      );
    },
  );
  await log.close();
  added = await createIdentity();
  await nameRecipient('added', added);
});

test('who came later opens what was sealed before, once it was sealed again by who opens it', async () => {
  expect(await opens(added)).toBe(false);
  const { lines, unopened } = await linesBy(backup);
  expect([lines.length, unopened]).toEqual([3, ['certificate2']]);
  expect(lines.join('')).not.toContain('PRIVATE KEY');
  expect(await append(lines)).toEqual({ written: 1, left: 0 });
  expect([await opens(added), await opens(site.identities[0] ?? ''), await opens(site.identities[1] ?? '')]).toEqual([
    true,
    true,
    true,
  ]);
  expect(await append(lines)).toEqual({ written: 0, left: 1 });
  const stranger = await parseIdentityFile(await createIdentity());
  expect((await linesBy(stranger.identity)).unopened).toEqual(['certificate1', 'certificate2']);
});

test('keys that were replaced on the way take the key from no server, and can be sealed again', async () => {
  const { lines } = await linesBy(backup);
  const key: ResealedKey = JSON.parse(lines[1] ?? '{}');
  const { length } = await as(async ({ state }) => state.bus.recipients);
  const thieves = await Promise.all(
    Array.from({ length }, async () => ({ name: 'thief', ...(await parseIdentityFile(await createIdentity())) })),
  );
  async function* replaced(): AsyncGenerator<ResealedKey> {
    yield { ...key, sealedKey: await seal('nothing', thieves) };
  }
  const { recipientsPosition } = await as(async ({ state }) => state.bus);
  const brought: string[] = [];
  const file = formatResealedKeys({ busId: site.trust.busId, recipientsPosition }, replaced());
  for await (const line of file) brought.push(line);
  expect(await append(brought)).toEqual({ written: 1, left: 0 });
  expect([await opens(site.identities[0] ?? ''), await opens(site.identities[1] ?? ''), await opens(added)]).toEqual([
    true,
    true,
    false,
  ]);
  expect(await append((await linesBy(backup)).lines)).toEqual({ written: 1, left: 0 });
  expect(await opens(added)).toBe(true);
});

test('keys that were sealed before the recipients changed again are refused', async () => {
  const { lines } = await linesBy(backup);
  await nameRecipient('one more', await createIdentity());
  await expect(append(lines)).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_REQUEST_OUTDATED' });
});

/** These lines with the end of a file that has one key, and the hash that fits: what somebody writes who changes a file on purpose. */
const ended = (...lines: readonly string[]): readonly string[] => [
  ...lines,
  JSON.stringify({
    end: 1,
    sha256: createHash('sha256')
      .update(lines.map((line) => `${line}\n`).join(''))
      .digest('hex'),
  }),
];

test.each<[string, (lines: string[], key: ResealedKey) => readonly unknown[], string]>([
  ['ends early', (lines) => lines.slice(0, -1), 'MALFORMED'],
  ['lacks a key', ([first = '']) => ended(first), 'MALFORMED'],
  [
    'had a character changed on the way',
    ([first, , last], key) => [
      first,
      JSON.stringify({ ...key, sealedKey: key.sealedKey.replace(/.(?=.{9}$)/, (it) => (it === 'A' ? 'B' : 'A')) }),
      last,
    ],
    'MALFORMED',
  ],
  ['is empty', () => [], 'MALFORMED'],
  ['is something else', () => ['AGE-SECRET-KEY-1'], 'MALFORMED'],
  ['has a line that is too long', ([first]) => [first, 'x'.repeat(70_000)], 'MALFORMED'],
  [
    'has a key that is not sealed',
    ([first = ''], key) => ended(first, JSON.stringify({ ...key, sealedKey: 'AAAA' })),
    'MALFORMED',
  ],
  [
    'has a key that is sealed to fewer',
    ([first = ''], key) => {
      const [version, stanza, share, ...rest] = Buffer.from(key.sealedKey, 'base64').toString('latin1').split('\n');
      const fewer = [version, ...rest].join('\n');
      if (!stanza || !share) throw new TypeError('it has recipients');
      return ended(first, JSON.stringify({ ...key, sealedKey: Buffer.from(fewer, 'latin1').toString('base64') }));
    },
    'MALFORMED',
  ],
  [
    'is of another bus',
    ([first = '', second = '']) => ended(first.replace(/"bus":"[^"]*"/, `"bus":"${createBusId()}"`), second),
    'REFUSED',
  ],
])('a file that %s changes nothing', async (_, alter, code) => {
  const { lines } = await linesBy(backup);
  const altered = alter(lines, JSON.parse(lines[1] ?? '{}')) as string[];
  const before = await as(async ({ checkpoint }) => checkpoint.position);
  await expect(append(altered)).rejects.toMatchObject({ code: `CERTBUS_MANAGER_REQUEST_${code}` });
  expect(await as(async ({ checkpoint }) => checkpoint.position)).toBe(before);
});
