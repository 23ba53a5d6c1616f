import type { Following } from '@certbus/replica';
import { expect, test } from 'vitest';
import { createNotes } from '../health.ts';
import { createEmitter } from './events.ts';
import { createListener } from './listener.ts';

const NOTED: Following = {
  beat: 1,
  holder: 'process 7',
  everyMs: 10_000,
  lastContactAt: new Date(1_000),
  caughtUpAt: new Date(1_000),
  live: true,
  trouble: undefined,
};

function listen() {
  let elapsedMs = 0;
  const notes = createNotes();
  const emitter = createEmitter();
  const said: string[] = [];
  emitter.on('alarm', (error) => said.push('code' in error ? String(error.code) : error.message));
  emitter.on('live', () => said.push('live'));
  const ignore = () => {};
  const listener = createListener({
    replica: { advancing: false, problem: undefined },
    notes,
    emitter,
    now: () => new Date(2_000),
    elapsed: () => elapsedMs,
    changed: { moved: ignore, rebuilt: ignore },
    noted: ignore,
  });
  /** Looks once after so much time, or every second of it. */
  const lookAfter = (ms: number, following: Following | undefined) => {
    elapsedMs += ms;
    listener.watching(following);
  };
  const watch = (ms: number, following: Following | undefined) => {
    for (const end = elapsedMs + ms; elapsedMs < end; ) lookAfter(1_000, following);
  };
  return { notes, said, listener, lookAfter, watch };
}

test('a process that follows and is silent for three notes is an error, once, until it notes something', () => {
  const { notes, said, listener, watch } = listen();
  listener.watching(NOTED);
  expect([notes.live, notes.lastContactAt]).toEqual([true, NOTED.lastContactAt]);
  watch(30_000, NOTED);
  expect(notes.live).toBe(true);
  watch(3_000, NOTED);
  expect(notes.live).toBe(false);
  expect(notes.trouble).toMatchObject({
    code: 'CERTBUS_REPLICA_SILENT',
    message: expect.stringContaining('process 7'),
  });
  listener.watching({ ...NOTED, beat: 2 });
  expect([notes.live, notes.trouble]).toEqual([true, undefined]);
  expect(said).toEqual(['live', 'CERTBUS_REPLICA_SILENT', 'live']);
});

test('a time in which this process did not run either is no silence of the other', () => {
  const { notes, said, listener, lookAfter, watch } = listen();
  listener.watching(NOTED);
  lookAfter(3_600_000, NOTED);
  watch(5_000, NOTED);
  expect([notes.live, said]).toEqual([true, ['live']]);
  // It does not begin to run again with this one.
  watch(30_000, NOTED);
  expect(said).toEqual(['live', 'CERTBUS_REPLICA_SILENT']);
});

test('one that reads along is live when the one that follows is, and has its error with its code', () => {
  const { notes, said, listener } = listen();
  listener.watching(undefined);
  const trouble = { code: 'CERTBUS_EVENTS_BELOW_FLOOR', message: 'the bus was cut off' };
  listener.watching({ ...NOTED, live: false, trouble });
  listener.watching({ ...NOTED, beat: 2, live: false, trouble });
  expect([notes.live, notes.following, notes.answers]).toEqual([false, false, 1]);
  expect(notes.trouble).toMatchObject(trouble);
  listener.watching({ ...NOTED, beat: 3, lastContactAt: new Date(2_000) });
  expect([notes.live, notes.trouble, notes.answers]).toEqual([true, undefined, 2]);
  expect(said).toEqual([trouble.code, 'live']);
  // One that has never noted anything is silent as well, in the end.
  const other = listen();
  other.listener.watching(undefined);
  other.watch(31_000, undefined);
  expect(other.said).toEqual(['CERTBUS_REPLICA_SILENT']);
});
