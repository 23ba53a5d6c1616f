import { expect, test } from 'vitest';
import { leadersOf } from './ranking.ts';

const certificate = (certificateId: string, ...names: readonly string[]) => ({ certificateId, names });

test('each name leads to the certificate that ranks first, an exact one to a wildcard where that does, and none to nothing', () => {
  const asked: string[] = [];
  const best: Readonly<Record<string, string>> = { 'a.test': 'b', 'www.c.test': 'd', 'e.test': 'absent' };
  const certificates = [
    certificate('a', 'a.test', 'only.test'),
    certificate('b', 'a.test'),
    certificate('c', 'www.c.test', 'e.test'),
    certificate('d', '*.c.test', 'e.test'),
  ];
  const leaders = leadersOf(certificates, {
    bestFor(name, isAmong) {
      asked.push(name);
      const id = best[name];
      return id !== undefined && isAmong(id) ? id : undefined;
    },
  });
  expect(Object.fromEntries(leaders)).toEqual({
    'a.test': 'b',
    'only.test': 'a',
    'www.c.test': 'd',
    '*.c.test': 'd',
    'e.test': 'c',
  });
  expect(asked.sort()).toEqual(['a.test', 'e.test', 'www.c.test']);
});
