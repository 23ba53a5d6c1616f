/** Checks what a snapshot says of the state of a bus. */
import * as v from 'valibot';
import { base64, hash } from '../canonical.ts';
import {
  account,
  accountKey,
  challenge,
  closedAccount,
  instant,
  position,
  recipients,
  snapshot,
  stateless,
  text,
} from '../event-types/fields.ts';
import type { BusState } from './bus-state.ts';

const placedAccount = v.object({ ...account, stateless, keyPosition: position });

const schema = v.object({
  recipients: v.union([v.strictTuple([]), recipients]),
  recipientsPosition: v.union([v.literal(0), position]),
  config: v.optional(v.object({ sealed: base64, position })),
  accounts: v.pipe(
    v.array(placedAccount),
    v.check((accounts) => accounts.filter((each) => each.stateless).length <= 1, 'has two stateless accounts'),
  ),
  nextAccountKeys: v.array(v.object({ ...accountKey, keyPosition: position })),
  replacedAccounts: v.array(placedAccount),
  closedAccounts: v.array(v.object(closedAccount)),
  challenges: v.array(v.object(challenge)),
  archived: v.optional(v.object({ position, hash })),
  snapshots: v.pipe(v.array(v.object(snapshot)), v.maxLength(8)),
  voided: v.array(v.object({ type: text, position, rule: text })),
  unknown: v.array(text),
  newestAt: v.optional(instant),
});

/** The state that JSON holds; `undefined` where it is not one. Fields that this release does not know are left out. */
export function parseBusState(json: unknown): BusState | undefined {
  const parsed = v.safeParse(schema, json, { abortEarly: true });
  if (!parsed.success) return undefined;
  // JSON has no `undefined`.
  const absent = { config: undefined, archived: undefined };
  return { ...absent, newestAt: undefined, ...parsed.output };
}
