/** The long round of certificates of 160 hours, as its page tells it. */
import { measuredOn, type Part, type PartResult } from '../part.ts';
import { runShortLived, type ShortLivedResult } from './short-lived.ts';

const CERTIFICATES = 1_000;
const DAYS = 90;
const SEED = 16;

/** Certificates of 160 hours for 90 virtual days, with faults on. With fewer names it takes less, but as many days. */
export const shortLived: Part = { certificates: CERTIFICATES, publishedFrom: CERTIFICATES, run };

const count = (number: number): string => number.toLocaleString('en');
const listOf = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([what, number]) => `${what} ${count(number)}`)
    .join(', ');

function describe(
  certificates: number,
  {
    seconds,
    result: { ca, faults, kills, runs, failedRuns, outcomes, minutes, gaps, problems },
  }: { readonly seconds: number; readonly result: ShortLivedResult },
): string {
  const without = gaps.reduce((sum, gap) => sum + gap.minutes, 0);
  return `## Certificates of 160 hours for ${DAYS} days, with faults on

${measuredOn()}, in ${Math.round(seconds / 60)} minutes. ${count(certificates)} names, a manager in a process of its own on a SQLite bus,
our strict ACME server with Let's Encrypt's limits and its look at challenges by DNS, and a follower with a replica of its own. The clock of
all jumps to the next instant at which the manager or a fault wants something. What goes wrong is drawn from a seed: the CA answers 503 for up
to 20 hours or drops connections, DNS fails for a third of the names for up to 30 hours, the store is away for up to 8 hours or loses up to an eighth of all
operations and answers, the manager is killed with SIGKILL in the middle of its requests, and its clock steps by up to a day, ahead or behind.

- Faults: ${listOf(faults)}; ${count(kills)} of the kills met a run.
- ${count(runs)} runs of the manager, of which ${count(failedRuns)} rejected as a whole; certificates: ${listOf(outcomes)}.
- By the CA's count: ${count(ca.orders)} orders, ${count(ca.certificates)} certificates, ${count(ca.failedValidations)} failed validations, ${count(ca.requests)} requests, of which its limits refused ${count(ca.refused.length)}.
- ${count(minutes)} minutes of all names together, ${count(without)} of them without a valid certificate.

${problems.length === 0 ? 'All of it held.' : problems.join('; ')}
`;
}

async function run(certificates: number): Promise<PartResult> {
  const began = performance.now();
  const result = await runShortLived({
    certificates,
    days: DAYS,
    seed: SEED,
    onDay: (day, { orders, failedValidations }) =>
      console.error(`day ${day}: ${count(orders)} orders, ${count(failedValidations)} failed validations`),
  });
  const seconds = (performance.now() - began) / 1_000;
  return { section: describe(certificates, { seconds, result }), problems: result.problems };
}
