/** Checks of the suite: aborts, silent hosts, and secrets in errors and logs. */
import { deepEqual, equal, rejects } from 'node:assert/strict';
import { inspect } from 'node:util';
import type { PresentedChallenge, Solver } from '@certbus/acme';
import type { SolverAbility } from './options.ts';
import { type Check, publish, type Subject } from './subject.ts';

const STEPS = ['present', 'ready', 'cleanUp'] as const;
/** The port says within a second. A machine that has other things to do gets longer, and far less than the host is silent for. */
const SOON_MS = 15_000;

function countTimers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
}

/** What an operation came to within a time; `undefined` where it is still under way. */
async function outcomeWithin(
  operation: Promise<unknown>,
  ms: number,
): Promise<{ readonly error: unknown } | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  const settled = operation.then(
    () => ({ error: undefined }),
    (error: unknown) => ({ error }),
  );
  const outcome = await Promise.race([settled, late]);
  clearTimeout(timer);
  return outcome;
}

async function checkAbort(
  solver: Solver,
  { step, challenges }: { readonly step: (typeof STEPS)[number]; readonly challenges: readonly PresentedChallenge[] },
): Promise<void> {
  const before = countTimers();
  const [controller, reason] = [new AbortController(), new Error('the test has seen enough')];
  const operation = solver[step](challenges, { signal: controller.signal });
  equal(await outcomeWithin(operation, 300), undefined, `${step} should wait for a silent host`);
  controller.abort(reason);
  deepEqual(await outcomeWithin(operation, SOON_MS), { error: reason });
  // A runner may have timers of its own, which come and go.
  for (let tries = 0; countTimers() > before && tries < 20; tries += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  equal(countTimers() <= before, true, `${step} leaves a timer behind`);
}

/** Everything that anybody could print of an error, causes and stacks included. */
function textOf(error: unknown): string {
  return inspect(error, {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    maxStringLength: null,
    maxArrayLength: null,
  });
}

/** Runs what fails, and keeps what the failure says. */
async function provoke({ said }: Subject, operation: Promise<unknown>): Promise<void> {
  await operation.catch((error: unknown) => void said.push(textOf(error)));
}

/** What a solver says and does when things go wrong. */
export function checkTrouble(check: Check, can: (...abilities: readonly SolverAbility[]) => boolean): void {
  check('an aborted signal rejects each operation with its reason', async ({ open, challenge, domain }) => {
    const [solver, reason] = [await open(), new Error('stop')];
    const signal = AbortSignal.abort(reason);
    for (const step of STEPS) await rejects(solver[step]([challenge(domain)], { signal }), reason);
  });

  check('an abort while the host is silent ends each operation within a second, with its timers', async (subject) => {
    const { openSilent, challenge, domain } = subject;
    const challenges = [challenge(domain), challenge(`other.${domain}`)];
    // A limit of the host may leave nothing to wait for.
    const steps = can('clean-up') ? STEPS : STEPS.filter((step) => step !== 'cleanUp');
    for (const step of steps) await checkAbort(await openSilent(), { step, challenges });
  });

  if (can('credentials')) {
    check('says that the credentials are refused', async ({ openRefused, challenge, domain, patience }) => {
      const solver = await openRefused();
      await rejects(solver.present([challenge(domain)], { signal: patience() }), {
        code: 'CERTBUS_ACME_SOLVER_FAILED',
      });
    });
  }

  check('says no secret in any error or line of its log', async (subject) => {
    const { open, openRefused, openSilent, challenge, domain, strayDomain, secrets, said } = subject;
    const [mine, stray] = [challenge(domain), challenge(strayDomain)];
    await provoke(subject, publish(subject, await open(), [mine]));
    const refused = await openRefused();
    for (const step of STEPS) {
      const short = () => ({ signal: AbortSignal.timeout(500) });
      await provoke(subject, refused[step]([mine], short()));
      await provoke(subject, (await openSilent())[step]([mine], short()));
      await provoke(subject, (await open())[step]([stray], short()));
    }
    const hidden = [...secrets, ...[mine, stray].flatMap(({ keyAuthorization, token }) => [keyAuthorization, token])];
    for (const text of said) for (const secret of hidden) equal(text.includes(secret), false, 'a secret is told');
  });
}
