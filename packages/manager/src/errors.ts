/** How a manager can fail: the error, its codes, and the failures that several rooms share. */
import { HistoryError } from '@certbus/events/history';
import { ReplicaError } from '@certbus/replica';
import { StoreError } from '@certbus/store';
import { type BindingLimit, describeLimit } from './decide/binding-limit.ts';

/** Every way a manager can refuse or fail by itself; `docs/errors.md` says what to do about each. */
export type ManagerErrorCode =
  | 'CERTBUS_MANAGER_CONFIG_INVALID'
  | 'CERTBUS_MANAGER_CONFIG_MISSING'
  | 'CERTBUS_MANAGER_CONFIG_CHANGED'
  | 'CERTBUS_MANAGER_CONFIG_UNREADABLE'
  | 'CERTBUS_MANAGER_NAME_REFUSED'
  | 'CERTBUS_MANAGER_KEY_TYPE_REFUSED'
  | 'CERTBUS_MANAGER_ZONE_NOT_CONFIGURED'
  | 'CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND'
  | 'CERTBUS_MANAGER_CLAIM_LOST'
  | 'CERTBUS_MANAGER_CLAIMED_ELSEWHERE'
  | 'CERTBUS_MANAGER_LIMIT_REACHED'
  | 'CERTBUS_MANAGER_NAMES_LOST'
  | 'CERTBUS_MANAGER_SECRET_HOST_REFUSED'
  | 'CERTBUS_MANAGER_SECRET_MISSING'
  | 'CERTBUS_MANAGER_PROGRAM_MISSING'
  | 'CERTBUS_MANAGER_ACCOUNT_MISSING'
  | 'CERTBUS_MANAGER_ACCOUNT_CLOSED'
  | 'CERTBUS_MANAGER_BUS_EXISTS'
  | 'CERTBUS_MANAGER_CHECK_IN_FAILED'
  | 'CERTBUS_MANAGER_ALERT_NOT_SENT'
  | 'CERTBUS_MANAGER_REPLICA_EMPTY'
  | 'CERTBUS_MANAGER_NOT_RESTORED'
  | 'CERTBUS_MANAGER_MANAGER_NOT_FOUND'
  | 'CERTBUS_MANAGER_RECIPIENT_NOT_FOUND'
  | 'CERTBUS_MANAGER_CHANGE_REFUSED'
  | 'CERTBUS_MANAGER_REQUEST_MALFORMED'
  | 'CERTBUS_MANAGER_REQUEST_REFUSED'
  | 'CERTBUS_MANAGER_REQUEST_OUTDATED'
  | 'CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND'
  | 'CERTBUS_MANAGER_TOO_MANY_CAMPAIGNS'
  | 'CERTBUS_MANAGER_ARCHIVE_MISSING'
  | 'CERTBUS_MANAGER_UPGRADE_NEEDED'
  | 'CERTBUS_MANAGER_BUS_STALE';

/** A refusal or failure of the manager. Branch on `code`, never on the message. */
export class ManagerError extends Error {
  override readonly name: string = 'ManagerError';
  readonly code: ManagerErrorCode;

  constructor(code: ManagerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** `CERTBUS_MANAGER_LIMIT_REACHED`: a limit of the CA leaves no room for an order now, and nothing was asked of the CA. */
export class LimitReachedError extends ManagerError {
  override readonly name = 'LimitReachedError';
  readonly binding: BindingLimit;
  /** From when on there is room. */
  readonly until: Date;

  constructor(names: readonly string[], binding: BindingLimit) {
    const what = `The order for ${names.join(', ')} is postponed until ${binding.until.toISOString()}: ${describeLimit(binding)}. Nothing was asked of the CA.`;
    super('CERTBUS_MANAGER_LIMIT_REACHED', what);
    this.binding = binding;
    this.until = binding.until;
  }
}

/** `CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND`, with the ids of those that are there. */
export function campaignNotFound(
  campaignId: string,
  campaigns: readonly { readonly campaignId: string }[],
): ManagerError {
  const known = campaigns.map((each) => each.campaignId).join(', ');
  const there = known === '' ? 'The bus has no campaigns.' : `The bus has: ${known}. "certbus campaign ls" lists them.`;
  const what = `No campaign has the id ${JSON.stringify(campaignId.slice(0, 80))}. ${there}`;
  return new ManagerError('CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND', what);
}

/** `CERTBUS_MANAGER_TOO_MANY_CAMPAIGNS`, with the ids of those that can be cancelled, the oldest first. */
export function tooManyCampaigns(open: readonly { readonly campaignId: string }[]): ManagerError {
  const ids = open.map(({ campaignId }) => campaignId).join(', ');
  const what = `${open.length} campaigns go on, and the bus takes no more: wait until one is done, or cancel one of ${ids}.`;
  return new ManagerError('CERTBUS_MANAGER_TOO_MANY_CAMPAIGNS', what);
}

/**
 * Whether an error is one of the bus, of its history or of the local replica, or was caused by one. It says nothing about a CA or a
 * certificate.
 */
export function isBusError(error: unknown): boolean {
  if (error instanceof StoreError || error instanceof HistoryError || error instanceof ReplicaError) return true;
  return error instanceof Error && error.cause !== undefined && isBusError(error.cause);
}

/** Another process holds the claim now: this one stops and leaves the cleaning up to the other. */
export function claimLost(certificateId: string): ManagerError {
  const what = `The claim on certificate ${certificateId} passed to another manager, which goes on with its order. Nothing is left to do here.`;
  return new ManagerError('CERTBUS_MANAGER_CLAIM_LOST', what);
}

/** The bus was silent for too long to be begun on; `newestAt` is when its newest commit was signed. */
export function busStale(position: number, newestAt: Date): ManagerError {
  const what = `The newest commit of the bus, at position ${position}, was signed at ${newestAt.toISOString()}, more than 48 hours ago, and this machine has not read the bus before: what came since could have been cut off. Nothing is signed. Compare that position with a machine that has read the bus ("certbus bus verify" there, or a load balancer's health). If no manager ran since then, go on once with --accept-stale, or CERTBUS_ACCEPT_STALE=1.`;
  return new ManagerError('CERTBUS_MANAGER_BUS_STALE', what);
}

/** No managed certificate has this id, or name; `hint` is a sentence with a space before it, such as what was probably meant. */
export function certificateNotFound(subject: string, hint = ''): ManagerError {
  const shown = JSON.stringify(subject.slice(0, 253));
  const what = `No managed certificate has the id or name ${shown}.${hint} "certbus cert ls" lists them.`;
  return new ManagerError('CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND', what);
}

/** The bus has no account there; `where` completes the sentence "The bus has no account …". */
export function accountMissing(where: string): ManagerError {
  const what = `The bus has no account ${where}. "certbus account register" makes one; "certbus account ls" lists them.`;
  return new ManagerError('CERTBUS_MANAGER_ACCOUNT_MISSING', what);
}

/** The bus does not take an account, since it has so many. */
export function noRoomForAccount(directory: string): ManagerError {
  const what = `The bus takes no account at ${directory}: it has accounts, or keys of accounts, at as many CAs as it can. "certbus account ls" lists them, "certbus account deactivate" makes room.`;
  return new ManagerError('CERTBUS_MANAGER_ACCOUNT_MISSING', what);
}

/** The account at a CA was deactivated. */
export function accountClosed(directory: string): ManagerError {
  const what = `The account at ${directory} was deactivated. Take that CA out of the configuration, or make another account: "certbus account register NAME", with the CA's name in the configuration.`;
  return new ManagerError('CERTBUS_MANAGER_ACCOUNT_CLOSED', what);
}
