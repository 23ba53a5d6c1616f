/** The conformance suite: what every solver of dns-01 must hold to. */
import type { Logger } from '@certbus/acme';
import { checkTrouble } from './failures.ts';
import type { SolverAbility, SolverConformanceOptions } from './options.ts';
import { type Check, drawChallenge } from './subject.ts';
import { checkCleanUp, checkCrowds, checkPresent } from './values.ts';
import { checkZones } from './zones.ts';

function keepIn(said: string[]): Logger {
  const keep = (message: string, fields?: Record<string, unknown>) => {
    said.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { debug: keep, info: keep, warn: keep, error: keep };
}

/**
 * The suite that every solver for dns-01 passes: values side by side, clean-up by another process, crowds, aliases and zone cuts, refusals,
 * aborts, and silence about secrets.
 *
 * Give it the runner's functions and a factory; it brings its own assertions, and needs `node:assert`, `node:util` and timers only.
 * For the author of a solver:
 *
 * - Run it against the real thing, or against the nearest to it that can be started on loopback.
 * - `values` asks the host's name servers, not its API: what nobody can look up was not presented.
 * - `limits` is for what the host cannot do, in the words of its documentation.
 * - Run its tests one after another, since they count the timers of the process, and give each two minutes where a service is asked.
 */
export function solverConformance({
  describe,
  test,
  create,
  patienceMs = 120_000,
  limits = {},
}: SolverConformanceOptions): void {
  const can = (...abilities: readonly SolverAbility[]) => abilities.every((ability) => limits[ability] === undefined);
  const check: Check = (name, body) =>
    test(name, async () => {
      const said: string[] = [];
      const subject = await create({ logger: keepIn(said) });
      try {
        const patience = () => AbortSignal.timeout(patienceMs);
        await body({ ...subject, challenge: drawChallenge, patienceMs, patience, said });
      } finally {
        await subject.dispose();
      }
    });
  describe('present', () => checkPresent(check, can));
  describe('clean-up', () => checkCleanUp(check, can));
  describe('crowds', () => checkCrowds(check, can));
  describe('zones', () => checkZones(check, can));
  describe('trouble', () => checkTrouble(check, can));
}
