/** Tests of what the bus records of certificates that come from elsewhere. */
import { X509Certificate } from 'node:crypto';
import type { WrittenEvent } from '@certbus/events/history';
import { createIssuer, createKeys, createLeaf } from 'certbus-services';
import { describe, expect, test } from 'vitest';
import { claimNew } from './claim.ts';
import { type ImportedContent, recordImported, verdictOf } from './importing.ts';
import { given } from './state.builders.ts';

const DAY_MS = 86_400_000;
const NOW = new Date('2030-06-01T00:00:00Z');
const CA = 'https://ca.test/dir';
const issuer = await createIssuer('Intermediate');
const renewal = { directory: CA, challengeType: 'dns-01' } as const;
const sealed = { sealedKey: 'c2VhbGVk', recipientsPosition: 1 };

/** A certificate for `a.test`, that begins so many days after the first one. */
async function content(days = 0, more: Partial<ImportedContent> = {}): Promise<ImportedContent> {
  const { publicKey } = await createKeys();
  const notBefore = new Date(NOW.getTime() + days * DAY_MS);
  const notAfter = new Date(notBefore.getTime() + 90 * DAY_MS);
  const { rawData } = await createLeaf({ issuer, names: ['a.test'], publicKey, notBefore, notAfter });
  const leaf = new Uint8Array(rawData);
  const { serialNumber } = new X509Certificate(leaf);
  const issuers = [new Uint8Array(issuer.certificate.rawData)];
  const found = { leaf, issuers, names: ['a.test'], serialNumber, notBefore, notAfter };
  return { ...found, keyKind: 'P-256', issuedBy: undefined, renewal: undefined, ...more };
}

/** A bus on which these were imported, each under an id of its own unless the bus has one for its names. */
function imported(...contents: readonly ImportedContent[]) {
  const events: [WrittenEvent, Date][] = [];
  for (const [index, each] of contents.entries()) {
    const { events: said } = recordImported(given(...events), each, { fresh: `certificate${index}`, sealed });
    events.push(...said.map((event): [WrittenEvent, Date] => [event, NOW]));
  }
  return { state: given(...events), events };
}

describe('given nothing', () => {
  test('when one comes, then it is recorded with its issuer, once its key is sealed to the recipients', async () => {
    const one = await content();
    const unsealed = recordImported(given(), one, { fresh: 'certificate0', sealed: undefined });
    expect(unsealed).toMatchObject({ events: [], result: { isSealed: false, verdict: { outcome: 'imported' } } });
    const { state, events } = imported(one);
    expect(events.map(([{ type }]) => type)).toEqual(['IssuerAdded', 'CertificateImported']);
    expect(state.certificate('certificate0')).toMatchObject({ names: ['a.test'], directory: undefined });
  });
});

describe('given one that was imported', () => {
  test('when it comes again, then nothing is recorded, or only that it is renewed from now on', async () => {
    const one = await content();
    const { state } = imported(one);
    expect(verdictOf(state, one)).toEqual({ outcome: 'unchanged', certificateId: 'certificate0' });
    const managed = imported(one, { ...one, renewal, issuedBy: CA });
    expect(managed.events).toHaveLength(3);
    expect(managed.state.certificate('certificate0')).toMatchObject({ directory: CA, predecessors: [] });
    expect(verdictOf(managed.state, { ...one, renewal })).toMatchObject({ outcome: 'unchanged' });
  });

  test('when a newer one comes, then it takes its place; an older one and one that was replaced do not', async () => {
    const [older, one, newer] = [await content(-1), await content(0), await content(1)];
    const { state } = imported(one, newer);
    expect(state.certificate('certificate0')?.current?.notBefore).toBe(newer.notBefore.toISOString());
    expect(verdictOf(state, older)).toMatchObject({
      outcome: 'skipped',
      why: 'the bus has a newer one for these names',
    });
    expect(verdictOf(state, one)).toMatchObject({ outcome: 'skipped', why: 'the bus has replaced it already' });
    expect(verdictOf(state, await content(2, { keyKind: 'RSA-2048' }))).toMatchObject({ outcome: 'imported' });
  });

  test('when a certificate is asked for its names, then it is ordered under the same id', async () => {
    const { state } = imported(await content());
    const subject = { names: ['a.test'], challengeType: 'dns-01', profile: undefined, directory: CA } as const;
    const terms = { holder: 'alice', claimMs: 1_000, graceMs: 1_000, takeOver: false };
    const ids = { certificateId: 'new', issuanceId: 'new', csr: { csr: 'Y3Ny', ...sealed } };
    const claimed = claimNew(state, NOW, subject, { ...terms, ...ids, another: false });
    expect(claimed.result).toMatchObject({ kind: 'claimed', certificateId: 'certificate0' });
    const second = claimNew(state, NOW, subject, { ...terms, ...ids, another: true });
    expect(second.result).toMatchObject({ kind: 'claimed', certificateId: 'new' });
  });
});

test('given one that the bus obtained itself, when another comes for its names, then it is skipped', async () => {
  const one = await content();
  const said = imported(one).events.flatMap(([event]) => (event.type === 'CertificateImported' ? [event] : []));
  const ours = { issuanceId: 'issuance01', reason: 'new', challengeType: 'dns-01', directory: CA } as const;
  const state = given(
    ...said.map((event): [WrittenEvent, Date] => [{ ...event, ...ours, type: 'CertificateObtained' }, NOW]),
  );
  expect(verdictOf(state, await content(1))).toMatchObject({
    outcome: 'skipped',
    why: 'the bus obtained a certificate for these names itself',
  });
});
