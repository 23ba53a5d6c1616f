/** What is logged about the targets. */
import type { TargetStatus } from '../reconcile/worker.ts';
import { counted } from './status.ts';

const SHOWN = 10;

/** Makes what logs how a target stands, each time that it is another way than before. */
export function createStatusLog(log: (line: string) => void): (status: TargetStatus) => void {
  const known = new Map<string, string>();
  return ({ name, error, standings }) => {
    const problems = [...standings.values()].flatMap(({ problem }) => (problem ? [problem.message] : []));
    const all = [...(error ? [error.message] : []), ...problems];
    const text = all.join('\n');
    if (known.get(name) === text) return;
    known.set(name, text);
    for (const line of all.slice(0, SHOWN)) log(`${name}: ${line}`);
    if (all.length > SHOWN) log(`${name}: and ${all.length - SHOWN} more; "certbus-agent status" lists them`);
    if (all.length === 0) log(`${name}: ${counted(standings.size, 'certificate')} in place`);
  };
}
