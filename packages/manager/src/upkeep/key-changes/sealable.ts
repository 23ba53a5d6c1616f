/** Checks that what a change names can be sealed to. */
import { checkRecipients, type Manager } from '@certbus/events';
import type { RootBody } from '@certbus/events/history';

/** What is in force before a change. */
interface Named {
  readonly managers: readonly Manager[];
}

/**
 * Checks that age can seal to all that a change adds: a mistyped recipient would leave a manager without the configuration, or all balancers
 * without keys. Rejects `CERTBUS_EVENTS_RECIPIENTS_INVALID`.
 */
export async function checkSealable({ managers }: Named, body: RootBody): Promise<void> {
  if (body.type === 'RecipientsUpdated') return checkRecipients(body.recipients);
  if (body.type !== 'ManagersUpdated') return;
  const added = body.managers.filter(({ recipient }) => managers.every((known) => known.recipient !== recipient));
  // One by one: a list of managers has no bound of twenty, and can be of both kinds.
  for (const { name, recipient } of added) await checkRecipients([{ name, recipient }]);
}
