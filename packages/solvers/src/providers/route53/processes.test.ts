import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Route53FakeOptions } from '@certbus/acme-server/route53';
import { startFastClock } from 'certbus-services';
import { expect, test } from 'vitest';
import { challengeFor, quoted, recordOf, setUp } from './solver.builders.ts';

const PROGRAM = fileURLToPath(new URL('./manager.builders.ts', import.meta.url));
const ROUNDS = 8;
const RECORD = recordOf('example.test');

test('managers in two processes at one record touch none but their own values', async () => {
  const { now } = startFastClock(10);
  const ownerOf = new Map<string, string>();
  for (const owner of ['one', 'two'])
    for (let round = 0; round < ROUNDS; round += 1)
      ownerOf.set(quoted(challengeFor('example.test', `${owner}-${round}`)), owner);
  const trespasses: string[] = [];
  const together = new Set<number>();
  const onRequest: Route53FakeOptions['onRequest'] = ({ changes, accessKeyId }) => {
    const valuesIn = (action: string) => changes.find((change) => change.action === action)?.set.values ?? [];
    const [before, after] = [valuesIn('DELETE'), valuesIn('CREATE')];
    together.add(after.length);
    const touched = [...before, ...after].filter((value) => before.includes(value) !== after.includes(value));
    for (const value of touched)
      if (ownerOf.get(value) !== accessKeyId) trespasses.push(`${accessKeyId} changed ${value}`);
    return undefined;
  };
  const { fake } = await setUp([{ id: 'Z1', name: 'example.test' }], { now, applyMs: 300, inSyncMs: 2000, onRequest });
  fake.zone('Z1').put(RECORD, 'TXT', ['"foreign"']);
  const run = (owner: string) =>
    promisify(execFile)(
      process.execPath,
      ['--conditions=certbus:source', PROGRAM, fake.endpoint, fake.dns, owner, 'example.test', String(ROUNDS)],
      { timeout: 300_000 },
    );
  const outcomes = await Promise.all([run('one'), run('two')]);
  expect(outcomes.map(({ stdout }) => stdout)).toEqual(['done\n', 'done\n']);
  expect(trespasses).toEqual([]);
  expect(together.has(3)).toBe(true);
  expect(fake.zone('Z1').txt(RECORD)).toEqual(['"foreign"']);
});
