/** One test of the suite, on a host of its own. */
import { deepEqual } from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { PresentedChallenge, Solver } from '@certbus/acme';
import { presentedChallenge } from '@certbus/acme';
import type { SolverUnderTest } from './options.ts';

/** One test's host, and what the sections of the suite ask of it. */
export interface Subject extends SolverUnderTest {
  /** A challenge of a name, with a value that no other has. */
  challenge(name: string): PresentedChallenge;
  readonly patienceMs: number;
  /** A signal for one step, which ends it when it takes too long. */
  patience(): AbortSignal;
  /** What has been logged, and whatever was added by `blame`. */
  readonly said: string[];
}

/** Declares one test of a section on a subject of its own. */
export type Check = (name: string, body: (subject: Subject) => Promise<void>) => void;

/** Draws a challenge for dns-01. */
export function drawChallenge(name: string): PresentedChallenge {
  const draw = () => crypto.getRandomValues(new Uint8Array(32));
  const [token, thumbprint] = [draw(), draw()].map((bytes) => Buffer.from(bytes).toString('base64url'));
  return presentedChallenge(name, { type: 'dns-01', url: '', status: 'pending', token: token ?? '' }, thumbprint ?? '');
}

/** Presents, and waits until it is ready. */
export async function publish(
  { patience }: Subject,
  solver: Solver,
  challenges: readonly PresentedChallenge[],
): Promise<void> {
  await solver.present(challenges, { signal: patience() });
  await solver.ready(challenges, { signal: patience() });
}

/** Takes answers away. */
export async function cleanUp(
  { patience }: Subject,
  solver: Solver,
  challenges: readonly PresentedChallenge[],
): Promise<void> {
  await solver.cleanUp(challenges, { signal: patience() });
}

/** Values of challenges, in an order to compare. */
export const valuesOf = (challenges: readonly PresentedChallenge[]): string[] =>
  challenges.map(({ dnsValue }) => dnsValue).toSorted();

/**
 * Holds what a name shows against what it should. A host may show a change somewhat later than it took it, which only `ready`
 * has to wait for; hence the patience with what was taken away.
 */
export async function shows(
  { values, patienceMs }: Subject,
  dnsName: string,
  expected: readonly string[],
): Promise<void> {
  const [wanted, deadline] = [expected.toSorted(), performance.now() + patienceMs];
  for (;;) {
    const shown = (await values(dnsName)).toSorted();
    if (isDeepStrictEqual(shown, wanted)) return;
    if (performance.now() > deadline) deepEqual(shown, wanted);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
