import { expect, test } from 'vitest';
import { AgentError } from '../../errors.ts';
import { bring, createWanted } from '../target.builders.ts';
import type { AdminApi } from './admin-api.ts';
import { createNginxTarget } from './nginx.ts';

test('where one request fails the change ends, once no other is on its way', async () => {
  const failure = new AgentError('CERTBUS_AGENT_TARGET_FAILED', 'nginx cannot be reached');
  const late = Promise.withResolvers<string>();
  const isAsked = Promise.withResolvers<void>();
  const api: AdminApi = {
    list: async () => new Map(),
    put({ certificateId }) {
      if (certificateId === 'fails') return Promise.reject(failure);
      isAsked.resolve();
      return late.promise;
    },
    remove: async () => {},
    epoch: async () => '',
    setEpoch: async () => {},
    close: () => {},
  };
  const target = createNginxTarget({ name: 'nginx', address: undefined, files: undefined }, api);
  const wanted = await Promise.all(['late', 'fails'].map((id) => createWanted(id, [`${id}.test`])));
  const order: string[] = [];
  const brought = bring(target, wanted).catch((error: unknown) => {
    order.push('ended');
    return error;
  });
  await isAsked.promise;
  await new Promise((resolve) => setImmediate(resolve));
  order.push('answered');
  late.resolve('f'.repeat(43));
  expect(await brought).toBe(failure);
  expect(order).toEqual(['answered', 'ended']);
});
