import { expect, test } from 'vitest';
import { AgentError } from '../../errors.ts';
import { type Ranking, wildcardOf } from '../ranking.ts';
import { bring, createWanted } from '../target.builders.ts';
import type { Wanted } from '../target.ts';
import { type AdminApi, type Kept, PUT_TOGETHER } from './admin-api.ts';
import { createNginxTarget } from './nginx.ts';

test('where one request fails the change ends, once no other is on its way', async () => {
  const failure = new AgentError('CERTBUS_AGENT_TARGET_FAILED', 'nginx cannot be reached');
  const late = Promise.withResolvers<void>();
  const isAsked = Promise.withResolvers<void>();
  const api: AdminApi = {
    list: async () => new Map(),
    async putAll(puts) {
      if (puts.some(({ certificate }) => certificate.certificateId === 'fails')) throw failure;
      isAsked.resolve();
      await late.promise;
      return new Map();
    },
    remove: async () => {},
    epoch: async () => '',
    setEpoch: async () => {},
    close: () => {},
  };
  const target = createNginxTarget({ name: 'nginx', address: undefined, files: undefined }, api);
  const others = Array.from({ length: PUT_TOGETHER }, (_, n) => `late-${n}`);
  const wanted = await Promise.all([...others, 'fails'].map((id) => createWanted(id, [`${id}.test`])));
  const order: string[] = [];
  const brought = bring(target, wanted).catch((error: unknown) => {
    order.push('ended');
    return error;
  });
  await isAsked.promise;
  await new Promise((resolve) => setImmediate(resolve));
  order.push('answered');
  late.resolve();
  expect(await brought).toBe(failure);
  expect(order).toEqual(['answered', 'ended']);
});

/** A memory of nginx, which is emptied by a restart just before some certificate is put, or has no room for a mark next to another one. */
function createMemory({
  restartsBefore,
  isFullWith,
}: {
  readonly restartsBefore?: string;
  readonly isFullWith?: string;
} = {}): AdminApi {
  const memory = new Map<string, Kept>();
  let kept = '';
  let isRestarted = restartsBefore === undefined;
  return {
    list: async () => new Map(memory),
    async putAll(puts) {
      const answers = new Map<string, string>();
      for (const { certificate, value } of puts) {
        const { certificateId } = certificate;
        if (certificateId === restartsBefore && !isRestarted) {
          [isRestarted, kept] = [true, ''];
          memory.clear();
        }
        const [leafHash = '', names = ''] = value.split('\n');
        memory.set(certificateId, { leafHash, names: names.split(' ').filter(Boolean) });
        answers.set(certificateId, leafHash);
      }
      return answers;
    },
    remove: async (id) => void memory.delete(id),
    epoch: async () => kept,
    async setEpoch(epoch) {
      if (isFullWith !== undefined && memory.has(isFullWith))
        throw new AgentError('CERTBUS_AGENT_TARGET_FAILED', 'it answered 507 the zone is full');
      kept = epoch;
    },
    close: () => {},
  };
}

test('which certificate ranks first is asked only for names that another one has as well', async () => {
  const api = createMemory();
  const target = createNginxTarget({ name: 'nginx', address: undefined, files: undefined }, api);
  const { signal } = new AbortController();
  const asked: string[] = [];
  /** Fills the memory with some certificates, of which the later ones rank first. */
  async function fill(...wanted: readonly Wanted[]): Promise<readonly string[]> {
    asked.length = 0;
    const all = new Map(wanted.map((each) => [each.certificateId, each]));
    const bestFor: Ranking['bestFor'] = (name, isAmong) => {
      asked.push(name);
      const isFor = ({ names }: Wanted) => names.includes(name) || names.includes(wildcardOf(name) ?? '');
      return wanted.findLast((each) => isAmong(each.certificateId) && isFor(each))?.certificateId;
    };
    const { leafHashes } = await target.held({ wanted: all, bestFor }, signal);
    const put = wanted.filter(({ certificateId }) => !leafHashes.has(certificateId));
    await target.apply({ put, remove: [], defaultId: undefined, wanted: all, bestFor }, signal);
    return [...new Set(asked)];
  }
  const leading = async () =>
    Object.fromEntries([...(await api.list(signal))].map(([id, { names }]) => [id, [...names].sort()]));
  const [a, b, wild] = [
    await createWanted('a', ['a.test', 'both.test']),
    await createWanted('b', ['b.test']),
    await createWanted('wild', ['*.wild.test']),
  ];
  expect(await fill(a, b, wild)).toEqual([]);
  const more = await createWanted('more', ['both.test', 'www.wild.test', 'more.test']);
  expect(await fill(a, b, wild, more)).toEqual(['both.test', 'www.wild.test']);
  expect(await leading()).toMatchObject({ more: ['both.test', 'more.test', 'www.wild.test'] });
});

test.each(['its first change', 'a later change'])(
  'an nginx that is restarted in the middle of %s is not taken for full',
  async (when) => {
    const api = createMemory({ restartsBefore: 'last' });
    const target = createNginxTarget({ name: 'nginx', address: undefined, files: undefined }, api);
    const [first, last] = [await createWanted('first', ['first.test']), await createWanted('last', ['last.test'])];
    if (when === 'a later change') await bring(target, [first]);
    await expect(bring(target, [first, last])).rejects.toThrow('nginx was restarted while it was given certificates');
    expect((await bring(target, [first, last])).isInEffect).toBe(false);
    const { signal } = new AbortController();
    expect([...(await api.list(signal)).keys()].sort()).toEqual(['first', 'last']);
    expect(await bring(target, [first, last])).toEqual({ isInEffect: true, refused: undefined });
  },
);

test('a memory that is full to the last mark gets room by what is removed', async () => {
  const api = createMemory({ isFullWith: 'large' });
  const target = createNginxTarget({ name: 'nginx', address: undefined, files: undefined }, api);
  const [small, large] = [await createWanted('small', ['small.test']), await createWanted('large', ['large.test'])];
  await expect(bring(target, [small, large])).rejects.toThrow('the zone is full');
  await bring(target, [small]);
  expect(await bring(target, [small])).toEqual({ isInEffect: true, refused: undefined });
});

test('of two new certificates for a name the one that ranks first gets it, whichever nginx takes last', async () => {
  const leads = new Map<string, string>();
  const memory = createMemory();
  const isFirstTaken = Promise.withResolvers<void>();
  const last = Promise.withResolvers<void>();
  const api: AdminApi = {
    ...memory,
    async putAll(puts, signal) {
      const isOfBetter = puts.some(({ certificate }) => certificate.certificateId === 'better');
      if (isOfBetter) {
        // It is taken first, and its answer comes last.
        for (const { certificate, value } of puts) note(certificate.certificateId, value);
        isFirstTaken.resolve();
        await last.promise;
        return memory.putAll(puts, signal);
      }
      await isFirstTaken.promise;
      for (const { certificate, value } of puts) note(certificate.certificateId, value);
      last.resolve();
      return memory.putAll(puts, signal);
    },
  };
  function note(id: string, value: string) {
    for (const name of (value.split('\n')[1] ?? '').split(' ').filter(Boolean)) leads.set(name, id);
  }
  const target = createNginxTarget({ name: 'nginx', address: undefined, files: undefined }, api);
  const ids = Array.from({ length: PUT_TOGETHER - 1 }, (_, n) => `other-${n}`);
  const others = await Promise.all(ids.map((id) => createWanted(id, [`${id}.test`])));
  const [worse, better] = [await createWanted('worse', ['both.test']), await createWanted('better', ['both.test'])];
  const { signal } = new AbortController();
  const all = [worse, ...others, better];
  const wanted = new Map(all.map((each) => [each.certificateId, each]));
  const bestFor: Ranking['bestFor'] = (_, isAmong) => ['better', 'worse'].find(isAmong);
  await target.held({ wanted, bestFor }, signal);
  await target.apply({ put: all, remove: [], defaultId: undefined, wanted, bestFor }, signal);
  expect(leads.get('both.test')).toBe('better');
});
