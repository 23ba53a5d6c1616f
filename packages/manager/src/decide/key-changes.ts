/** Decides what the root is asked to sign where managers or recipients change. */
import type { Manager, Recipient } from '@certbus/events';
import { cleanLine } from '@certbus/events';
import type { Checkpoint, Expulsion, RootBody } from '@certbus/events/history';
import { ManagerError } from '../errors.ts';

/** What is in force on a bus, of what the root decides. */
export type KeysInForce = Pick<Checkpoint, 'managers' | 'recipients' | 'expelled'>;

/** Who is in force behind a change that the root signs. */
export function inForceAfter(before: KeysInForce, body: RootBody): KeysInForce {
  switch (body.type) {
    case 'ManagersUpdated':
      return { ...before, managers: body.managers };
    case 'RecipientsUpdated':
      return { ...before, recipients: body.recipients };
    case 'ManagerExpelled':
      return { ...before, managers: before.managers.filter(({ signingKey }) => signingKey !== body.key) };
    default:
      return before;
  }
}

/** A change of who manages a bus, or of whom its private keys are sealed to. */
export type KeyChange =
  | { readonly kind: 'add-manager'; readonly manager: Manager }
  | { readonly kind: 'remove-manager'; readonly name: string }
  | {
      readonly kind: 'expel-manager';
      readonly suspect: Pick<Expulsion, 'manager' | 'key' | 'since'>;
      /** All managers from then on; default those that are left. */
      readonly managers?: readonly Manager[] | undefined;
    }
  | { readonly kind: 'add-recipient'; readonly recipient: Recipient }
  | { readonly kind: 'remove-recipient'; readonly name: string };

const MAX_NAME = 100;

const shown = (name: string): string => JSON.stringify(cleanLine(name.slice(0, MAX_NAME)));

function refuse(why: string): ManagerError {
  return new ManagerError('CERTBUS_MANAGER_CHANGE_REFUSED', why);
}

function notFound(
  kind: 'manager' | 'recipient',
  name: string,
  known: readonly { readonly name: string }[],
): ManagerError {
  const what = `The bus has no ${kind} ${shown(name)}: it has ${known.map((each) => shown(each.name)).join(', ')}.`;
  return new ManagerError(
    kind === 'manager' ? 'CERTBUS_MANAGER_MANAGER_NOT_FOUND' : 'CERTBUS_MANAGER_RECIPIENT_NOT_FOUND',
    what,
  );
}

/**
 * What can wrap a line or is not seen: a space behind another, other separators, formats, fillers, and the braille pattern without a dot. To
 * be used with `search` and `replaceAll` only, since it is global.
 */
export const INVISIBLE: RegExp = /(?<= ) |[^\P{Z} ]|[\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/**
 * Throws `CERTBUS_MANAGER_CHANGE_REFUSED` for a name that a manager or recipient cannot be given. Names are read by people at the moment in
 * which they decide: one that is cut, steers a terminal, or wraps into lines of its own could pass for another.
 */
export function checkName(name: string): void {
  const isBlank = name.trim() !== name || name.search(INVISIBLE) >= 0;
  if (name === '' || name.length > MAX_NAME || isBlank || cleanLine(name) !== name)
    throw refuse(
      `The name ${shown(name)} is not taken: use 1 to ${MAX_NAME} visible characters, with single spaces between them.`,
    );
}

const isSameManager = (one: Manager, other: Manager): boolean =>
  one.name === other.name && one.signingKey === other.signingKey && one.recipient === other.recipient;

function addManager({ managers, expelled }: KeysInForce, manager: Manager): RootBody[] {
  const { name, signingKey, recipient } = manager;
  if (managers.some((known) => isSameManager(known, manager))) return [];
  checkName(name);
  if (expelled.some(({ key }) => key === signingKey))
    throw refuse(
      `The signing key ${signingKey} was expelled, which is permanent. Make another one: "certbus keygen manager".`,
    );
  const known = managers.find(
    (each) => each.name === name || each.signingKey === signingKey || each.recipient === recipient,
  );
  if (known)
    throw refuse(
      `The bus has the manager ${shown(known.name)} already, with the same name or one of these keys. Remove it first ("certbus manager rm"), or give the new one a name and keys of its own.`,
    );
  return [{ type: 'ManagersUpdated', managers: [...managers, manager] }];
}

function removeManager({ managers }: KeysInForce, name: string): RootBody[] {
  const left = managers.filter((each) => each.name !== name);
  if (left.length === managers.length) throw notFound('manager', name, managers);
  if (left.length === 0)
    throw refuse(`${shown(name)} is the only manager, and a bus needs one. Add another first: "certbus manager add".`);
  return [{ type: 'ManagersUpdated', managers: left }];
}

/** Whether all of these are managers in force, and nobody else is. */
function areInForce(inForce: readonly Manager[], managers: readonly Manager[]): boolean {
  return (
    inForce.length === managers.length &&
    managers.every((manager) => inForce.some((known) => isSameManager(known, manager)))
  );
}

function expelManager(
  { managers, expelled }: KeysInForce,
  { suspect, managers: named }: Extract<KeyChange, { kind: 'expel-manager' }>,
): RootBody[] {
  const { manager, key, since } = suspect;
  const isExpelled = expelled.some((known) => known.key === key && known.since <= since);
  const left = named?.filter(({ signingKey }) => signingKey !== key) ?? [];
  const bodies: RootBody[] = [];
  if (left.length === 0 && managers.every(({ signingKey }) => signingKey === key))
    throw refuse(
      `${shown(manager)} is the only manager, and a bus needs one. Add another with a key of its own first: "certbus manager add".`,
    );
  if (left.length > 0 && !areInForce(managers, left)) bodies.push({ type: 'ManagersUpdated', managers: left });
  if (!isExpelled) bodies.push({ type: 'ManagerExpelled', manager, key, since });
  return bodies;
}

function addRecipient({ recipients }: KeysInForce, added: Recipient): RootBody[] {
  const { name, recipient } = added;
  if (recipients.some((known) => known.name === name && known.recipient === recipient)) return [];
  checkName(name);
  const known = recipients.find((each) => each.name === name || each.recipient === recipient);
  if (known)
    throw refuse(
      `The bus has the recipient ${shown(known.name)} already, with the same name or the same key. Remove it first ("certbus recipient rm"), or give the new one a name and a key of its own.`,
    );
  return [{ type: 'RecipientsUpdated', recipients: [...recipients, { name, recipient }] }];
}

function removeRecipient({ recipients }: KeysInForce, name: string): RootBody[] {
  const left = recipients.filter((each) => each.name !== name);
  if (left.length === recipients.length) throw notFound('recipient', name, recipients);
  if (left.length === 0)
    throw refuse(
      `${shown(name)} is the only recipient, and private keys need one. Add another first: "certbus recipient add".`,
    );
  return [{ type: 'RecipientsUpdated', recipients: left }];
}

/**
 * What the root has yet to sign for a change; nothing where it is in force already. Throws `CERTBUS_MANAGER_MANAGER_NOT_FOUND`,
 * `CERTBUS_MANAGER_RECIPIENT_NOT_FOUND`, and `CERTBUS_MANAGER_CHANGE_REFUSED` for what would leave a bus without managers or recipients, or
 * give two of them one name or key.
 */
export function changeKeys(inForce: KeysInForce, change: KeyChange): readonly RootBody[] {
  switch (change.kind) {
    case 'add-manager':
      return addManager(inForce, change.manager);
    case 'remove-manager':
      return removeManager(inForce, change.name);
    case 'expel-manager':
      return expelManager(inForce, change);
    case 'add-recipient':
      return addRecipient(inForce, change.recipient);
    case 'remove-recipient':
      return removeRecipient(inForce, change.name);
  }
}
