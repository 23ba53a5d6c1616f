/** Checks what a snapshot says of the state of a bus. */
import * as v from 'valibot';
import { base64, hash } from '../canonical.ts';
import {
  account,
  challenge,
  closedAccount,
  instant,
  position,
  recipients,
  snapshot,
  text,
} from '../event-types/fields.ts';
import type { BusState } from './bus-state.ts';

const schema = v.object({
  recipients: v.union([v.strictTuple([]), recipients]),
  recipientsPosition: v.union([v.literal(0), position]),
  config: v.optional(v.object({ sealed: base64, position })),
  accounts: v.array(v.object(account)),
  nextAccountKey: v.optional(v.object({ thumbprint: hash, sealedKey: base64 })),
  closedAccounts: v.array(v.object(closedAccount)),
  challenges: v.array(v.object(challenge)),
  archived: v.optional(v.object({ position, hash })),
  snapshot: v.optional(v.object(snapshot)),
  voided: v.array(v.object({ type: text, position, rule: text })),
  unknown: v.array(text),
  newestAt: v.optional(instant),
});

/** The state that JSON holds; `undefined` where it is not one. Fields that this release does not know are left out. */
export function parseBusState(json: unknown): BusState | undefined {
  const parsed = v.safeParse(schema, json, { abortEarly: true });
  if (!parsed.success) return undefined;
  // JSON has no `undefined`.
  const absent = { config: undefined, nextAccountKey: undefined, archived: undefined };
  return { ...absent, snapshot: undefined, newestAt: undefined, ...parsed.output };
}
