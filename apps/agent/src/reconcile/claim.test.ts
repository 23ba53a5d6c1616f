import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { createSite } from '../agent.builders.ts';
import { preview } from '../preview.ts';
import { settled } from '../targets/tls.builders.ts';
import { claimOf } from './claim.ts';

/** A folder, and claims of agents to it, each with its own state directory. */
function createFolder() {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const folder = join(path, 'certs');
  /** As an agent leaves it that has written there. */
  const make = () => {
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, '.certbus-agent.json'), '{}');
  };
  make();
  return {
    folder,
    path,
    make,
    claim(agent: string) {
      mkdirSync(join(path, agent), { recursive: true });
      const claim = claimOf({ name: 'web', folder }, join(path, agent));
      if (!claim) throw new Error('a folder is claimed');
      onTestFinished(() => claim.release());
      return claim;
    },
  };
}

test('while one agent has a folder, another one is refused, and has it afterwards', () => {
  const { folder, path, claim } = createFolder();
  const [one, other] = [claim('one'), claim('other')];
  expect([one.problem(), other.problem()]).toEqual([undefined, undefined]);
  // It may have been changed before, and is not from then on.
  expect([one.take(), one.take()]).toEqual([false, true]);
  const refusal = `The folder ${folder} of target "web" is fed by another agent that runs (on ${hostname()}, with its state in ${join(path, 'one')}), and each`;
  expect(() => other.take()).toThrow(expect.objectContaining({ code: 'CERTBUS_AGENT_TARGET_FAILED' }));
  expect(() => other.take()).toThrow(refusal);
  expect(other.problem()).toContain(refusal);
  one.release();
  expect(other.problem()).toBeUndefined();
  expect(other.take()).toBe(false);
  expect(() => one.take()).toThrow(`its state in ${join(path, 'other')}`);
});

test('processes of one agent have its folder together', () => {
  const { claim } = createFolder();
  const [service, once, other] = [claim('one'), claim('one'), claim('other')];
  service.take();
  expect([once.take(), once.problem()]).toEqual([true, undefined]);
  service.release();
  expect(once.take()).toBe(false);
  expect(() => other.take()).toThrow('is fed by another agent');
});

test('a folder that was removed is claimed again once there is something in it', () => {
  const { folder, make, claim } = createFolder();
  const [one, other] = [claim('one'), claim('other')];
  one.take();
  rmSync(folder, { recursive: true });
  expect([one.take(), other.take()]).toEqual([true, true]);
  make();
  one.takeBegun();
  expect(one.take()).toBe(true);
  expect(() => other.take()).toThrow('is fed by another agent');
});

test('nothing is opened in a folder in which another user could put a link', () => {
  const { folder, path, claim } = createFolder();
  rmSync(folder, { recursive: true });
  mkdirSync(join(path, 'elsewhere'));
  writeFileSync(join(path, 'elsewhere', '.certbus-agent.json'), '{}');
  symlinkSync(join(path, 'elsewhere'), folder);
  const one = claim('one');
  chmodSync(join(path, 'elsewhere'), 0o777);
  expect(one.take()).toBe(true);
  expect(readdirSync(join(path, 'elsewhere'))).toEqual(['.certbus-agent.json']);
});

test('of two agents with one folder the first feeds it, and the other says so until that ends', async () => {
  const site = await createSite();
  const [a, b] = [await site.bus.issue(['a.test']), await site.bus.issue(['b.test'])];
  const folder = join(site.folder, 'certs');
  const targetOf = (id: string) => [{ type: 'files', folder, layout: 'combined', certificates: { ids: [id] } }];
  const first = await site.start(targetOf(a.certificateId));
  await first.started;
  await first.stop();
  // One that finds nothing to do has the folder as well.
  const again = await site.start(targetOf(a.certificateId));
  await again.started;
  const inOther = { stateDirectory: join(site.folder, 'other-state') };
  const second = await site.start(targetOf(b.certificateId), inOther);
  await second.started;
  const pems = () => readdirSync(join(folder, 'current')).filter((name) => name.endsWith('.pem'));
  expect(second.status().targets[0]?.error?.message).toContain('is fed by another agent that runs');
  expect(pems()).toEqual(['a.test.pem']);
  const checked = async () =>
    (await preview(site.configuration(targetOf(b.certificateId), inOther), new AbortController().signal)).targets[0]
      ?.problems;
  expect(await checked()).toEqual([expect.stringContaining('is fed by another agent that runs')]);
  await again.stop();
  await settled(() => expect(pems()).toEqual(['b.test.pem']));
  expect(await checked()).toEqual([]);
  expect(readFileSync(join(folder, '.certbus-agent-lock'), 'utf8')).toBe('');
});
