import { describe, expect, test } from 'vitest';
import { conformance } from '../conformance/index.ts';
import { openLog } from '../open.ts';
import { createMemoryLog } from './memory.ts';

describe('the memory adapter', () => {
  conformance({
    describe,
    test,
    async create() {
      const log = createMemoryLog();
      return { log, dispose: () => log.close() };
    },
  });
});

test('two that open one name meet', async () => {
  const one = await openLog('memory:meeting');
  const two = await openLog('memory:meeting');
  await one.append('s', 0, Buffer.from('hello'));
  expect((await two.read('s', 0)).commits).toHaveLength(1);
  expect((await (await openLog('memory:elsewhere')).read('s', 0)).commits).toHaveLength(0);
});
