/** What `pause` and `resume` share. */
import type { NamedTarget, ResolvedConfiguration } from '../configuration/read-configuration.ts';
import { AgentError } from '../errors.ts';
import { openPauses, type Pauses } from '../pauses.ts';
import { stateDirectoryOfAgent } from '../state-directory.ts';

/** The pauses of a configuration's agent. Throws as `stateDirectoryOfAgent`. */
export const pausesFor = (configuration: ResolvedConfiguration): Pauses =>
  openPauses(stateDirectoryOfAgent(configuration));

/** The target of a name, or all. Throws `CERTBUS_AGENT_CONFIG_INVALID` for one that is not configured. */
export function namedTargets(
  { targets, file }: ResolvedConfiguration,
  name: string | undefined,
): readonly NamedTarget[] {
  if (name === undefined) return targets;
  const named = targets.filter((target) => target.name === name);
  if (named.length > 0) return named;
  const what = `${file} has no target "${name}"; its targets are ${targets.map((target) => target.name).join(', ')}.`;
  throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', what);
}
