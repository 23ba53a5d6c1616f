/** Checks of the suite: what is presented shows, and what is cleaned up is gone. */
import { deepEqual, equal, rejects } from 'node:assert/strict';
import type { PresentedChallenge } from '@certbus/acme';
import type { SolverAbility } from './options.ts';
import { type Check, cleanUp, publish, shows, valuesOf } from './subject.ts';

type Can = (...abilities: readonly SolverAbility[]) => boolean;

async function showsNow(
  values: (dnsName: string) => Promise<readonly string[]>,
  challenges: readonly PresentedChallenge[],
): Promise<void> {
  const shown = await values(challenges[0]?.dnsName ?? '');
  deepEqual(
    valuesOf(challenges).filter((value) => !shown.includes(value)),
    [],
  );
}

/** What is presented is seen, beside whatever else there is. */
export function checkPresent(check: Check, can: Can): void {
  check('shows what was presented, once it says that it is ready', async (subject) => {
    const { open, challenge, domain, values } = subject;
    const mine = challenge(domain);
    await publish(subject, await open(), [mine]);
    await showsNow(values, [mine]);
  });

  check('shows the values of a wildcard and its apex together', async (subject) => {
    const { open, challenge, domain, values } = subject;
    const both = [challenge(domain), challenge(domain)];
    await publish(subject, await open(), both);
    await showsNow(values, both);
  });

  check("shows a second order's value beside the first", async (subject) => {
    const { open, challenge, domain, values } = subject;
    const [solver, first, second] = [await open(), challenge(domain), challenge(domain)];
    await publish(subject, solver, [first]);
    await publish(subject, solver, [second]);
    await showsNow(values, [first, second]);
  });

  check('presents again what is there already, and shows it beside the other', async (subject) => {
    const both = [subject.challenge(subject.domain), subject.challenge(subject.domain)];
    await publish(subject, await subject.open(), both);
    await publish(subject, await subject.open(), both.slice(0, 1));
    if (can('many-values')) {
      const last = subject.challenge(subject.domain);
      await publish(subject, await subject.open(), [last]);
      both.push(last);
    }
    await shows(subject, both[0]?.dnsName ?? '', valuesOf(both));
  });

  check('is not ready before each value is there', async (subject) => {
    const { open, challenge, domain } = subject;
    const solver = await open();
    const [there, missing] = [challenge(domain), challenge(domain)];
    await publish(subject, solver, [there]);
    await rejects(solver.ready([there, missing], { signal: AbortSignal.timeout(1500) }));
  });

  if (!can('foreign-values')) return;
  check('leaves the values of others alone', async (subject) => {
    const { open, challenge, domain, addForeign, values } = subject;
    const [solver, mine] = [await open(), challenge(domain)];
    await addForeign(mine.dnsName, 'of somebody else');
    await publish(subject, solver, [mine]);
    equal((await values(mine.dnsName)).includes('of somebody else'), true);
    await cleanUp(subject, solver, [mine]);
    await shows(subject, mine.dnsName, can('clean-up') ? ['of somebody else'] : ['of somebody else', mine.dnsValue]);
  });
}

/** Exactly what was presented goes, no matter which process removes it or how often. */
export function checkCleanUp(check: Check, can: Can): void {
  check('cleans up what was never there, and what is there no more', async (subject) => {
    const { open, challenge, domain } = subject;
    const [solver, mine] = [await open(), challenge(domain)];
    await cleanUp(subject, solver, [mine]);
    await publish(subject, solver, [mine]);
    for (const _time of ['first', 'second', 'third']) await cleanUp(subject, solver, [mine]);
    await cleanUp(subject, await open(), [mine, challenge(`below.${domain}`)]);
  });

  if (!can('clean-up')) return;
  check('takes away what it presented, and no more', async (subject) => {
    const { open, challenge, domain } = subject;
    const [solver, first, second] = [await open(), challenge(domain), challenge(domain)];
    await publish(subject, solver, [first, second]);
    await cleanUp(subject, solver, [first]);
    await shows(subject, first.dnsName, [second.dnsValue]);
    await cleanUp(subject, solver, [second]);
    await shows(subject, first.dnsName, []);
  });

  check('takes away what another process presented', async (subject) => {
    const both = [subject.challenge(subject.domain), subject.challenge(subject.domain)];
    await publish(subject, await subject.open(), both);
    await cleanUp(subject, await subject.open(), both);
    await shows(subject, both[0]?.dnsName ?? '', []);
  });
}

const NAMES = 200;

/** Many names, and many at one name. */
export function checkCrowds(check: Check, can: Can): void {
  check('lets several work at one name at once, and loses no value', async (subject) => {
    const { open, challenge, domain, patience, values } = subject;
    const count = can('many-values') ? 6 : 2;
    const workers = await Promise.all(
      Array.from({ length: count }, async () => ({ solver: await open(), own: challenge(domain) })),
    );
    const mine = workers.map(({ own }) => own);
    await Promise.all(workers.map(({ solver, own }) => publish(subject, solver, [own])));
    await showsNow(values, mine);
    if (!can('clean-up')) return;
    const done = workers.slice(count / 2);
    await Promise.all(done.map(({ solver, own }) => solver.cleanUp([own], { signal: patience() })));
    await shows(subject, mine[0]?.dnsName ?? '', valuesOf(mine.slice(0, count / 2)));
  });

  if (!can('many-names')) return;
  check(`presents and takes away the answers of ${NAMES} names of a zone`, async (subject) => {
    const solver = await subject.open();
    const many = Array.from({ length: NAMES }, (_, index) => subject.challenge(`n${index}.${subject.domain}`));
    await publish(subject, solver, many);
    for (const { dnsName, dnsValue } of many) await shows(subject, dnsName, [dnsValue]);
    await cleanUp(subject, solver, many);
    if (can('clean-up')) for (const { dnsName } of many) await shows(subject, dnsName, []);
  });
}
