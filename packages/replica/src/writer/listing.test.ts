/** Tests of what a replica lists, and of what it reads for that. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { dutyOf, type ManagedCertificate, sha256, urgentAt } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { checkFile } from '../checking/check.ts';
import { beginStory, obtained } from '../replica.builders.ts';
import { openReplica } from '../replica.ts';
import { synchronize } from '../sync.ts';
import type { ListedCertificate } from './listing.ts';

const CA = 'https://ca.test/dir';
const END = '2027-02-20T00:00:00.000Z';
const LATER = '2027-01-01T00:00:00.000Z';
const NOW = new Date('2026-12-01T00:00:00Z');
const UNTIL = '2026-12-01T01:00:00.000Z';
const LEAF = Buffer.from('leaf').toString('base64');
const issued = (certificateId: string) => obtained(certificateId, [`${certificateId}.test`, 'a.test'], 'leaf', END);
const of = (certificateId: string) => ({ certificateId, issuanceId: 'issuance0001' });

/** What a list has of a certificate whose dates say all. */
const plain = (certificate: ManagedCertificate) => ({
  certificateId: certificate.certificateId,
  names: certificate.names,
  challengeType: certificate.challengeType,
  directory: certificate.directory,
  keyType: certificate.keyType,
  notAfter: Date.parse(certificate.current?.notAfter ?? ''),
  urgentAt: urgentAt(certificate)?.getTime(),
  wantedAt: dutyOf(certificate)?.wantedAt.getTime(),
});

test('a list says all that states do, and reads no state of a certificate whose columns say it', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const story = await beginStory();
  const { busId } = story;
  const path = join(folder.path, 'manager.db');
  const replica = await openReplica({ path, busId });
  const ids = [
    'revoked0',
    'removed0',
    'failing0',
    'renewing',
    'released',
    'namesgone',
    'recovered',
    'untouched',
    'asked000',
  ];
  await story.sayAt(NOW, ...ids.map(issued));
  const started = (certificateId: string) => ({
    ...{ type: 'IssuanceStarted' as const, ...of(certificateId), names: ['d.test'], reason: 'new' as const },
    ...{ challengeType: 'dns-01' as const, directory: CA, holder: 'h', until: UNTIL, csr: 'Y3Ny' },
    ...{ sealedKey: 'c2VhbGVk', recipientsPosition: 1 },
  });
  const failed = (certificateId: string) => ({
    ...{ type: 'IssuanceFailed' as const, ...of(certificateId), problem: 'p', class: 'temporary' as const },
    ...{ detail: '', attempt: 1, directory: CA, notBefore: LATER },
  });
  const { issuanceId, reason, ...content } = issued('imported');
  await story.sayAt(
    NOW,
    { type: 'CertificateRevoked', certificateId: 'revoked0', leafHash: sha256(Buffer.from('leaf')), reason: 4 },
    { type: 'CertificateRemoved', certificateId: 'removed0' },
    failed('failing0'),
    started('renewing'),
    started('released'),
    { type: 'IssuanceReleased', ...of('released'), holder: 'h' },
    { type: 'NamesLost', certificateId: 'namesgone', names: ['a.test'], loss: 'gone', detail: 'x', notBefore: LATER },
    failed('recovered'),
    started('neverdone'),
    { ...content, type: 'CertificateImported', directory: undefined, challengeType: undefined },
    // Another program's manager writes an instant as it likes.
    obtained('otherwise', ['o.test'], 'leaf', '2027-02-20T00:00:00Z'),
  );
  await story.sayAt(NOW, { ...issued('recovered'), keyType: 'P-384', challengeType: 'http-01', leaf: LEAF });
  await story.sayAt(NOW, {
    ...{ type: 'RenewalInfoUpdated', certificateId: 'asked000', leafHash: sha256(Buffer.from('leaf')) },
    ...{ windowStart: LATER, windowEnd: LATER, renewAt: LATER },
  });
  await synchronize(replica, story.bus);

  const byId = (list: Iterable<ListedCertificate>) => new Map(Array.from(list, (each) => [each.certificateId, each]));
  const check = () => {
    const whole = [...replica.certificates()];
    const isPlain = ({ certificateId }: ManagedCertificate) =>
      ['recovered', 'untouched', 'asked000'].includes(certificateId);
    const expected = whole.map((certificate) => (isPlain(certificate) ? plain(certificate) : certificate));
    expect(whole).toHaveLength(ids.length + 2);
    expect(byId(replica.listed())).toEqual(byId(expected as ListedCertificate[]));
    for (const _ of checkFile(path));
  };
  check();
  const building = await replica.build({ checkpoint: replica.checkpoint(), bus: replica.bus(), rootEvents: [] });
  await building.load([...replica.records()]);
  await building.serve();
  check();

  const listed = byId(replica.listed());
  const database = new DatabaseSync(path);
  const setNames = (names: string) =>
    database.exec(`UPDATE certificates SET plain_names = '${names}' WHERE certificate_id = 'untouched'`);
  const { plain_names: intact } = database
    .prepare("SELECT plain_names FROM certificates WHERE certificate_id = 'untouched'")
    .get() as { readonly plain_names: string };
  // What a damaged column says is taken from the state, which has a digest.
  setNames('[\\"a.te');
  expect(byId(replica.listed()).get('untouched')).toEqual(replica.certificate('untouched'));
  setNames(intact);
  database.exec(`UPDATE states SET state = 'nothing' WHERE number IN
    (SELECT number FROM certificates WHERE certificate_id IN ('recovered', 'untouched', 'asked000'))`);
  database.close();
  expect(byId(replica.listed())).toEqual(listed);
  await replica.close();
});
