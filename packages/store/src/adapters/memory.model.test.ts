import { sized } from 'certbus-services/vitest';
import { describe, expect, test } from 'vitest';
import { mutants } from '../conformance/mutants.builders.ts';
import { openMemoryLog } from './memory.ts';
import { FEWEST, runModel } from './model.builders.ts';

test('random sequences of commands leave a memory log and a plain list the same', { tags: 'full' }, async () => {
  const wanted = sized({ small: 50, full: 1_000 });
  const { sequences, counts } = await runModel({ open: async () => openMemoryLog('model'), sequences: wanted });
  expect(sequences.length).toBeGreaterThanOrEqual(wanted);
  expect(Math.min(...sequences)).toBeGreaterThanOrEqual(FEWEST);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(wanted);
});

describe('the model finds that', () => {
  const sequential = [
    'a repeated append is a conflict',
    'a repeated append is written again',
    'a consistent read shows what was there at the read before',
    'a page has a gap',
    'a full page says that it is the end',
    'a page has a commit twice',
    'a page is larger than its limit',
    'an append is unconditional',
    'an append beyond the head is taken',
    'an append is acknowledged and not kept',
    'a conflict is acknowledged',
    'a conflict does not say what is there',
    'bytes are kept as text',
    'what is appended stays in the process',
  ];

  test.each(sequential)('%s', async (fault) => {
    const mutant = mutants.find((other) => other.fault === fault);
    const open = async () => mutant?.mutate(openMemoryLog(fault)) ?? openMemoryLog(fault);
    await expect(runModel({ open, sequences: 50 })).rejects.toThrow('Property failed');
  });
});
