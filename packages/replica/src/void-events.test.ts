import { sha256 } from '@certbus/events';
import { type Checkpoint, encodeCommit, type WrittenEvent } from '@certbus/events/history';
import { openBus } from '@certbus/store';
import { expect, test } from 'vitest';
import { beginStory, obtained, type Story } from './replica.builders.ts';
import { openReplica } from './replica.ts';
import { synchronize } from './sync.ts';

const [der, other] = [Buffer.from('issuer'), Buffer.from('another certificate')];

/** What a thief of a manager's key writes, whose program checks nothing. */
async function writeUnchecked({ log, busId, signer, checkpoints }: Story, events: WrittenEvent[]): Promise<Checkpoint> {
  const from = checkpoints.at(-1) as Checkpoint;
  const position = from.position + 1;
  const content = { format: 1, bus: busId, position, previous: from.hash, at: new Date(), by: 'alice', events };
  const bytes = encodeCommit(content, signer);
  await log.append('test', from.position, bytes);
  return { ...from, position, hash: sha256(bytes) };
}

test('a replica takes nothing of a void event, reports it, and goes on', async () => {
  const story = await beginStory();
  await story.say(obtained('certificate1', ['a.test']));
  const at = await writeUnchecked(story, [
    { type: 'IssuerAdded', hash: sha256(der), certificate: other.toString('base64') },
    { type: 'RangeArchived', first: 1, last: 9e12, hash: sha256(der), manifest: sha256(der), place: 'x' },
    {
      type: 'ChallengePresented',
      issuanceId: 'issuance0001',
      challengeType: 'http-01',
      identifier: 'a.test',
      token: 'token',
      thumbprint: sha256(der),
      expiresAt: '2099-01-01T00:00:00Z',
    },
  ]);
  const { bus } = story;
  await bus.append(at, [{ type: 'IssuerAdded', hash: sha256(der), certificate: der.toString('base64') }], {
    at: new Date(),
  });
  const replica = await openReplica({ path: ':memory:', busId: story.busId });
  await synchronize(replica, bus);
  expect(replica.checkpoint().position).toBe(4);
  expect(Buffer.from(replica.issuer(sha256(der)) ?? [])).toEqual(der);
  expect(replica.bus()).toMatchObject({ challenges: [] });
  expect(replica.bus().archived).toBeUndefined();
  expect(replica.bus().voided.map(({ type, position }) => [type, position])).toEqual([
    ['IssuerAdded', 3],
    ['RangeArchived', 3],
    ['ChallengePresented', 3],
  ]);
  expect(replica.lookup('a.test')).toHaveLength(1);
  await replica.close();
});

test('a manager does not write what would be void', async () => {
  const story = await beginStory();
  const wrong = { type: 'IssuerAdded' as const, hash: sha256(der), certificate: other.toString('base64') };
  const bus = openBus(story.log, 'test', story);
  await expect(bus.append(story.checkpoints[0] as Checkpoint, [wrong], { at: new Date() })).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_COMMIT_MALFORMED',
    message: expect.stringContaining('its hash is not that of its certificate'),
  });
});
