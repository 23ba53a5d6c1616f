import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { MaterialEvents, MaterialSource } from '@certbus/client/material';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { AgentError } from '../errors.ts';
import { createWanted, type TestWanted } from '../targets/target.builders.ts';
import type { Target } from '../targets/target.ts';
import { type Knowledge, type PassOptions, runPass } from './pass.ts';
import { openUnseen, type Unseen } from './unseen.ts';

const NOW = new Date();
const refusal = new AgentError('CERTBUS_AGENT_TARGET_REFUSED', 'no');
const NEXT_YEAR = new Date(NOW.getTime() + 365 * 86_400_000);

const codeOf = (error: Error) => ('code' in error ? error.code : error.message);

/** A target that holds what it is given and shows what it likes, and a bus that says what a test likes. */
function start({
  defaultName,
  unseen = openUnseen(),
}: {
  readonly defaultName?: string;
  readonly unseen?: Unseen;
} = {}) {
  const onBus = new Map<string, TestWanted>();
  const unread = new Set<string>();
  const held = new Map<string, string>();
  const hidden = new Set<string>();
  const refuses = new Set<string>();
  const outdated = new Set<string>();
  const puts: string[] = [];
  const looks: (readonly string[])[] = [];
  /** Calls that fail once, after they did their work. */
  const away = new Set<'apply' | 'served'>();
  const defaults: (string | undefined)[] = [];
  /** What happens on the bus around an opening. */
  const meanwhile: (() => void)[] = [];
  const target: Target = {
    name: 'fake',
    held: async () => ({ leafHashes: held, outdated, defaultId: defaults.at(-1), isInEffect: true }),
    async apply({ put, remove, defaultId }) {
      defaults.push(defaultId);
      const endsLate = away.delete('apply');
      const refused = new Map<string, Error>();
      for (const { certificateId: id, open } of put) {
        puts.push(id);
        meanwhile.shift()?.();
        const opening = open();
        opening.finally(() => meanwhile.shift()?.()).catch(() => {});
        await opening.then(
          ({ leafHash }) => (refuses.has(id) ? refused.set(id, refusal) : held.set(id, leafHash)),
          (error: Error) => refused.set(id, error),
        );
      }
      for (const id of remove) held.delete(id);
      if (endsLate) throw new Error('the command that reloads it failed');
      return { refused };
    },
    served: async (leaves) => {
      looks.push(leaves.map(({ certificateId }) => certificateId));
      if (away.delete('served')) throw new Error('it does not answer');
      return new Map(leaves.flatMap(({ certificateId: id, leafHash }) => (hidden.has(id) ? [] : [[id, leafHash]])));
    },
    problems: async () => [],
    close: async () => {},
  };
  const summary = ({ certificateId, names, leafHash, serialNumber }: TestWanted) => ({
    ...{ certificateId, names, leafHash, serialNumber, notAfter: NEXT_YEAR },
  });
  let onChanged: (change: MaterialEvents['changed'][0]) => void = () => {};
  const source: PassOptions['source'] = {
    certificates: () => [...onBus.values()].filter(({ certificateId }) => !unread.has(certificateId)).map(summary),
    certificate: (id) => {
      const found = unread.has(id) ? undefined : onBus.get(id);
      return found && summary(found);
    },
    material: async (id) => onBus.get(id)?.unchecked as Awaited<ReturnType<MaterialSource['material']>>,
    ranking: (name) => ({
      candidates: [...onBus.values()].filter(({ names }) => names.includes(name)) as never,
      until: undefined,
      hasKeyTypes: false,
    }),
    open: () => Promise.reject(new Error('no earlier one')),
    isWhole: () => true,
    health: () => ({ newestCommitAt: undefined }),
    on(event, listener) {
      if (event === 'changed') onChanged = listener as typeof onChanged;
      return source as MaterialSource;
    },
    gone: async (ids) => new Set([...ids].filter((id) => !onBus.has(id))),
  };
  const { signal } = new AbortController();
  let now = NOW;
  const options = { target, source, selection: {}, defaultName, unseen, now: () => now, signal };
  let knowledge: Knowledge | undefined;
  return {
    ...{ onBus, unread, held, hidden, refuses, outdated, puts, looks, away, defaults, meanwhile },
    /** Says that something of a certificate changed on the bus. */
    changed: (certificateId: string) => onChanged({ certificateId, names: [], removed: false }),
    /** A pass over everything, or over some certificates. */
    async pass(...ids: readonly string[]) {
      knowledge = await runPass(options, knowledge && { knowledge, ids: ids.length > 0 ? new Set(ids) : undefined });
      const standings = [...knowledge.standings].map(([id, { problem }]) => [id, problem && codeOf(problem)]);
      return Object.fromEntries(standings);
    },
    /** The agent ends, and another one begins. */
    restart() {
      knowledge = undefined;
    },
    wait(ms: number) {
      now = new Date(now.getTime() + ms);
    },
  };
}

test('what is not shown stays a problem until it is shown, also where there is nothing to put back', async () => {
  const { onBus, hidden, pass } = start();
  onBus.set('a', await createWanted('a', ['a.test']));
  hidden.add('a');
  expect(await pass()).toEqual({ a: 'CERTBUS_AGENT_NOT_SERVED' });
  expect(await pass('a')).toEqual({ a: 'CERTBUS_AGENT_NOT_SERVED' });
  expect(await pass()).toEqual({ a: 'CERTBUS_AGENT_NOT_SERVED' });
  hidden.clear();
  expect(await pass()).toEqual({ a: undefined });
});

test('what does not read stays where it is, also before anybody has met the damage, and what was removed goes', async () => {
  const { onBus, unread, held, pass } = start();
  for (const id of ['a', 'b']) onBus.set(id, await createWanted(id, [`${id}.test`]));
  await pass();
  unread.add('a');
  onBus.delete('b');
  await pass();
  expect([...held.keys()]).toEqual(['a']);
});

test('a default that does not read stays that, and gives way to another once it was removed', async () => {
  const { onBus, unread, held, defaults, pass } = start({ defaultName: 'a.test' });
  for (const id of ['a', 'b']) onBus.set(id, await createWanted(id, ['a.test']));
  await pass();
  unread.add('a');
  await pass();
  expect(defaults).toEqual(['a']);
  onBus.delete('a');
  await pass();
  expect(defaults).toEqual(['a', 'b']);
  expect([...held.keys()]).toEqual(['b']);
});

test('what is renewed again and again while it is put does not count against its key, and a refusal counts no longer where the clock is set back', async () => {
  const { onBus, refuses, puts, pass, wait, meanwhile } = start();
  const renewals = await Promise.all(Array.from({ length: 4 }, () => createWanted('a', ['a.test'])));
  const renew = () => {
    const next = renewals.shift();
    if (next) onBus.set('a', next);
  };
  renew();
  expect(await pass()).toEqual({ a: undefined });
  renew();
  meanwhile.push(renew, renew);
  expect(await pass('a')).toEqual({ a: undefined });
  expect(await pass('a')).toEqual({ a: undefined });
  refuses.add('a');
  onBus.set('a', await createWanted('a', ['a.test']));
  expect(await pass('a')).toEqual({ a: 'CERTBUS_AGENT_TARGET_REFUSED' });
  const before = puts.length;
  wait(-600_000);
  expect(await pass()).toEqual({ a: 'CERTBUS_AGENT_TARGET_REFUSED' });
  expect(puts).toHaveLength(before + 1);
});

test('what is refused is offered again after five minutes or once it was renewed, and has no standing once it left the bus', async () => {
  const { onBus, refuses, puts, pass, wait } = start();
  onBus.set('a', await createWanted('a', ['a.test']));
  onBus.set('b', await createWanted('b', ['b.test']));
  refuses.add('a');
  const refused = { a: 'CERTBUS_AGENT_TARGET_REFUSED', b: undefined };
  for (const _ of ['at once', 'a minute later']) expect(await pass()).toEqual(refused);
  expect(puts).toEqual(['a', 'b']);
  onBus.set('a', await createWanted('a', ['a.test']));
  expect(await pass()).toEqual(refused);
  expect(puts).toEqual(['a', 'b', 'a']);
  wait(300_000);
  expect(await pass()).toEqual(refused);
  expect(puts).toHaveLength(4);
  // Nobody told the pass, as after a replica that was built again.
  onBus.delete('a');
  expect(await pass()).toEqual({ b: undefined });
});

test('what is held in an outdated form is put again where it can be opened, and stays as it is with the reason where not', async () => {
  const { onBus, held, outdated, puts, pass, wait, changed } = start();
  for (const id of ['a', 'b']) onBus.set(id, await createWanted(id, [`${id}.test`]));
  await pass();
  const [before, first] = [new Map(held), puts.length];
  outdated.add('a').add('b');
  const broken = onBus.get('b');
  // As where the identity is that of others.
  if (broken) onBus.set('b', { ...broken, unchecked: { ...broken.unchecked, key: 'none' } });
  changed('b');
  const stays = { a: undefined, b: 'CERTBUS_AGENT_PAIR_REFUSED' };
  expect(await pass()).toEqual(stays);
  outdated.delete('a');
  for (const _ of ['a minute later', 'and another one']) {
    wait(60_000);
    expect(await pass()).toEqual(stays);
  }
  expect(puts.slice(first)).toEqual(['a']);
  expect(held).toEqual(before);
  if (broken) onBus.set('b', broken);
  expect(await pass()).toEqual({ a: undefined, b: undefined });
  expect(puts.slice(first)).toEqual(['a', 'b']);
});

test.each(['apply', 'served'] as const)(
  'what was put by a pass that failed in "%s" is looked at by the next one',
  async (call) => {
    const { onBus, hidden, puts, looks, away, pass } = start();
    for (const id of ['a', 'b']) onBus.set(id, await createWanted(id, [`${id}.test`]));
    hidden.add('a');
    away.add(call);
    await expect(pass()).rejects.toThrow();
    looks.length = 0;
    // Both are held by now: nothing is put again.
    expect(await pass()).toEqual({ a: 'CERTBUS_AGENT_NOT_SERVED', b: undefined });
    expect(puts).toEqual(['a', 'b']);
    expect(looks).toContainEqual(['a', 'b']);
    hidden.clear();
    expect(await pass()).toEqual({ a: undefined, b: undefined });
    looks.length = 0;
    await pass();
    expect(looks).toEqual([]);
  },
);

test.each(['is killed before it looks', 'has looked in vain'])(
  'what was put by an agent that %s is looked at by the one that is started next',
  async (how) => {
    const { path, remove } = temporaryFolder();
    onTestFinished(remove);
    const file = join(path, 'unseen');
    const { onBus, hidden, puts, looks, away, pass, restart, wait } = start({
      unseen: { ids: () => openUnseen(file).ids(), keep: (ids) => openUnseen(file).keep(ids) },
    });
    for (const id of ['a', 'b']) onBus.set(id, await createWanted(id, [`${id}.test`]));
    hidden.add('a');
    if (how === 'is killed before it looks') {
      away.add('served');
      await expect(pass()).rejects.toThrow();
    } else expect(await pass()).toEqual({ a: 'CERTBUS_AGENT_NOT_SERVED', b: undefined });
    restart();
    expect(await pass()).toEqual({ a: 'CERTBUS_AGENT_NOT_SERVED', b: undefined });
    expect(puts).toEqual(['a', 'b']);
    // It is offered again after a while, however often something else changes meanwhile.
    wait(200_000);
    expect(await pass('b')).toMatchObject({ a: 'CERTBUS_AGENT_NOT_SERVED' });
    wait(200_000);
    hidden.clear();
    expect(await pass()).toEqual({ a: undefined, b: undefined });
    expect(puts).toEqual(['a', 'b', 'a']);
    restart();
    looks.length = 0;
    expect(await pass()).toEqual({ a: undefined, b: undefined });
    expect([looks, existsSync(file)]).toEqual([[], false]);
  },
);

test('what cannot be noted on a full disk is looked at all the same', () => {
  const unseen = openUnseen('/proc/certbus/unseen');
  unseen.keep(new Set(['a']));
  expect(unseen.ids()).toEqual(new Set(['a']));
  unseen.keep(new Set());
  expect(unseen.ids()).toEqual(new Set());
});

test('what was noted before stays where a note cannot be written to its end', () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const file = join(path, 'unseen');
  const unseen = openUnseen(file);
  unseen.keep(new Set(['a']));
  mkdirSync(`${file}.new`);
  unseen.keep(new Set(['b']));
  expect(openUnseen(file).ids()).toEqual(new Set(['a']));
  expect(unseen.ids()).toEqual(new Set(['a', 'b']));
});
