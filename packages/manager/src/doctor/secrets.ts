/** Whether this machine allows secrets of its environment to be used where the configuration uses them. */
import type { Configuration } from '../configuration/configuration.ts';
import { refusedSecrets } from '../configuration/secrets.ts';
import type { Context } from '../context.ts';
import { type Finding, findingsOn } from './finding.ts';

/** Uses of secrets that an order would fail with. */
export function examineSecrets({ secrets }: Context, config: Configuration): readonly Finding[] {
  return refusedSecrets(config, secrets).map(({ variable, host, advice }) =>
    findingsOn('secrets', variable).failed(`this machine does not allow that it is used at ${host}`, advice),
  );
}
