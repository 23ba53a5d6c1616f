/** Finds what an argument can name: in this release, and in what this machine has read of its bus before. */
import type { Environment } from '@certbus/runtime/local';
import { PUBLIC_AUTHORITIES } from '../wizard/authorities.ts';
import type { Subject } from './candidates.ts';

/**
 * All that an argument can name. The bus is not asked, and no key is opened, so that a shell need not wait. Rejects where there is no local
 * configuration.
 */
export async function subjectsOf(subject: Subject, environment: () => Environment): Promise<readonly string[]> {
  if (subject === 'authorities') return PUBLIC_AUTHORITIES.map(({ choice }) => choice);
  if (subject === 'pages') return Object.keys((await import('../help/pages.ts')).PAGES);
  if (subject === 'providers') return (await import('@certbus/solvers')).PROVIDERS.map(({ name }) => name);
  const { withKnown } = await import('@certbus/runtime/picture');
  return withKnown(environment(), (known) => {
    const { managers, recipients } = known.checkpoint();
    if (subject === 'managers') return managers.map(({ name }) => name);
    if (subject === 'recipients') return recipients.map(({ name }) => name);
    if (subject === 'campaigns') return known.bus().campaigns.map(({ campaignId }) => campaignId);
    return [...known.listed()].flatMap(({ certificateId, names }) => [certificateId, ...names]);
  });
}
