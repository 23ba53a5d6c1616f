/** Checks what a snapshot says of the state of a bus. */
import * as v from 'valibot';
import { base64, hash } from '../canonical.ts';
import { CAMPAIGN_OUTCOMES } from '../event-types/campaign-events.ts';
import {
  account,
  accountKey,
  alertKey,
  campaign,
  challenge,
  closedAccount,
  instant,
  names,
  position,
  recipients,
  snapshot,
  stateless,
  text,
} from '../event-types/fields.ts';
import { MAX_ALERTS, MAX_CHALLENGES, MAX_DIRECTORIES, MAX_REPLACED, MAX_UNKNOWN_ALL } from './bounds.ts';
import type { BusState } from './bus-state.ts';
import { MAX_CAMPAIGNS } from './campaigns.ts';

const placedKey = { keyPosition: position, sealedPosition: v.exactOptional(position) };
const placedAccount = v.object({ ...account, stateless, ...placedKey });

const schema = v.object({
  recipients: v.union([v.strictTuple([]), recipients]),
  recipientsPosition: v.union([v.literal(0), position]),
  config: v.optional(v.object({ sealed: base64, position })),
  accounts: v.pipe(
    v.array(placedAccount),
    v.maxLength(MAX_DIRECTORIES),
    v.check((accounts) => accounts.filter((each) => each.stateless).length <= 1, 'has two stateless accounts'),
  ),
  nextAccountKeys: v.pipe(v.array(v.object({ ...accountKey, ...placedKey })), v.maxLength(MAX_DIRECTORIES)),
  replacedAccounts: v.pipe(v.array(placedAccount), v.maxLength(MAX_REPLACED)),
  closedAccounts: v.pipe(v.array(v.object(closedAccount)), v.maxLength(MAX_DIRECTORIES)),
  challenges: v.pipe(v.array(v.object(challenge)), v.maxLength(MAX_CHALLENGES)),
  archived: v.optional(v.object({ position, hash })),
  snapshots: v.pipe(v.array(v.object(snapshot)), v.maxLength(8)),
  campaigns: v.pipe(
    v.array(
      v.object({
        ...campaign,
        position,
        startedAt: instant,
        begun: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
        fullAt: v.optional(instant),
        ended: v.exactOptional(v.object({ outcome: v.picklist(CAMPAIGN_OUTCOMES), at: instant })),
      }),
    ),
    v.maxLength(MAX_CAMPAIGNS),
  ),
  alerts: v.pipe(
    v.array(
      v.object({
        ...alertKey,
        detail: text,
        since: instant,
        until: v.optional(instant),
        pending: v.union([v.strictTuple([]), names]),
      }),
    ),
    v.maxLength(MAX_ALERTS),
  ),
  voided: v.pipe(v.array(v.object({ type: text, position, rule: text })), v.maxLength(20)),
  unknown: v.pipe(v.array(text), v.maxLength(MAX_UNKNOWN_ALL)),
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
