import { sha256 } from '@certbus/events';
import { expect, test } from 'vitest';
import type { ReplicaReader } from '../reader.ts';
import { beginStory, obtained, type Story } from '../replica.builders.ts';
import { openReplica } from '../replica.ts';
import { createLayer } from './layer.ts';
import { createUnwritten } from './unwritten.ts';

const NAMES = ['a.test', 'b.test', 'www.b.test', '*.b.test', 'c.test', 'd.test', 'none.test'];
const ISSUER = Buffer.from('issuer');

/** All that a client asks. */
const answersOf = (reader: ReplicaReader) => ({
  checkpoint: reader.checkpoint(),
  bus: reader.bus(),
  certificates: [...reader.certificates()],
  byId: ['certificate1', 'certificate2', 'certificate9'].map((id) => reader.certificate(id)),
  lookups: NAMES.map((name) => reader.lookup(name)),
  served: reader.countServed(),
  ending: ['2026-12-31', '2027-03-01', '2027-06-01'].map((at) => reader.countEnding(new Date(at))),
  ends: ['2026-12-01', '2027-02-20T00:00:00Z', '2027-02-21', '2028-01-01'].map((at) => reader.nextEnd(new Date(at))),
  changed: [0, 2, 4, 9].map((position) =>
    reader.changedSince(position, 3).map(({ position: at, certificateId }) => `${at} ${certificateId}`),
  ),
  named: NAMES.map((name) => [reader.isNamed(name), reader.isShared(name)]),
  shared: reader.sharedNames('', 100).names,
  issuer: Buffer.from(reader.issuer(sha256(ISSUER)) ?? []).toString(),
});

async function tellStory(): Promise<Story> {
  const story = await beginStory();
  await story.say(obtained('certificate1', ['a.test']), obtained('certificate2', ['b.test', '*.b.test']));
  await story.say(obtained('certificate3', ['c.test'], 'c', '2026-12-20T00:00:00Z'));
  await story.say(obtained('certificate1', ['a.test'], 'renewed', '2027-05-20T00:00:00Z'));
  await story.say({ type: 'IssuerAdded', hash: sha256(ISSUER), certificate: ISSUER.toString('base64') });
  await story.say(obtained('certificate4', ['www.b.test', 'd.test']), {
    type: 'CertificateRemoved',
    certificateId: 'certificate2',
  });
  await story.say({ type: 'Heartbeat' });
  await story.say(obtained('certificate4', ['www.b.test', 'd.test'], 'again', '2027-05-20T00:00:00Z'));
  return story;
}

test('a replica answers as if what is in memory alone were written, wherever the disk was full, and so it does once it is', async () => {
  const { busId, commits, checkpoints } = await tellStory();
  const reached = checkpoints.at(-1);
  if (!reached) throw new TypeError('the story has commits');
  const whole = await openReplica({ path: ':memory:', busId, role: 'client' });
  await whole.complete();
  await whole.apply(commits, reached);
  for (let written = 1; written < commits.length; written += 1) {
    const base = await openReplica({ path: ':memory:', busId, role: 'client' });
    await base.complete();
    const last = checkpoints[written - 1];
    if (last) await base.apply(commits.slice(0, written), last);
    const unwritten = createUnwritten(() => base, busId);
    let layer: ReturnType<typeof createLayer> | undefined;
    for (const [n, commit] of commits.slice(written).entries()) {
      const checkpoint = checkpoints[written + n];
      const change = checkpoint && unwritten.take([commit], checkpoint);
      if (change && layer) layer.take(change);
      else if (change) layer = createLayer(() => base, change);
    }
    expect(layer && answersOf(layer), `from position ${written} on`).toEqual(answersOf(whole));
    const writes: Promise<unknown>[] = [];
    unwritten.writeTo((page, checkpoint) => writes.push(base.apply(page, checkpoint)));
    await Promise.all(writes);
    expect(answersOf(base)).toEqual(answersOf(whole));
    // It is dropped a moment after that.
    expect(layer && answersOf(layer), `from position ${written} on, written`).toEqual(answersOf(whole));
  }
});

test('what is kept in memory has a bound', async () => {
  const { busId, commits, checkpoints } = await tellStory();
  const base = await openReplica({ path: ':memory:', busId, role: 'client' });
  const unwritten = createUnwritten(() => base, busId);
  const [first] = checkpoints;
  const [commit] = commits;
  if (!first || !commit) throw new TypeError('the story has commits');
  const large = {
    ...commit,
    events: Array.from({ length: 20_001 }, () => commit.events[0] as (typeof commit.events)[0]),
  };
  expect(unwritten.take([large], first)).toBeUndefined();
  expect(unwritten.checkpoint.position).toBe(0);
  expect(unwritten.take([commit], first)?.checkpoint.position).toBe(1);
});
