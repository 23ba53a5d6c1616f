import { expect, test } from 'vitest';
import { watchBalancer } from './watch.ts';

/** What is reported at each look, where a balancer answers with these marks; `undefined` while it is away. The target gave "own" its memory. */
async function reported(...marks: readonly (string | undefined)[]): Promise<readonly string[]> {
  const stop = new AbortController();
  const reports: string[] = [];
  const left = [...marks];
  const look = async () => {
    reports.push('');
    const mark = left.shift();
    if (mark === undefined && left.length === 0) stop.abort();
    if (mark === undefined) throw new Error('it is away');
    return mark;
  };
  const add = (what: string) => reports.push(`${reports.pop()}${what}`);
  const watcher = { onLost: () => void add(' lost'), onBack: () => void add(' back') };
  await watchBalancer({ everyMs: 1, look, isLost: (mark) => mark !== 'own' }, watcher, stop.signal);
  return reports.slice(0, marks.length).map((report) => report.trim());
}

test.each([
  ['that stays as it is is not reported', ['own', 'own'], ['', '']],
  ['that comes back with what it had is back', ['own', undefined, undefined, 'own', 'own'], ['', '', '', 'back', '']],
  [
    'that comes back empty is lost until it is read, and back once',
    ['own', undefined, '', '', 'own'],
    ['', '', 'lost back', 'lost', ''],
  ],
  ['that is restarted between two looks is back', ['own', 'new', 'new'], ['', 'lost back', 'lost']],
  ['that is there at the first look did not come back', ['', ''], ['lost', 'lost']],
  ['that was away from the start is back when it is there', [undefined, '', ''], ['', 'lost back', 'lost']],
])('a balancer %s', async (_, marks, expected) => {
  expect(await reported(...marks, undefined)).toEqual([...expected, '']);
});
