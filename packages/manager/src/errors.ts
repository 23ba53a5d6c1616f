/** Every way a manager can refuse or fail by itself; `docs/errors.md` says what to do about each. */
export type ManagerErrorCode =
  | 'CERTBUS_MANAGER_CONFIG_INVALID'
  | 'CERTBUS_MANAGER_CONFIG_MISSING'
  | 'CERTBUS_MANAGER_CONFIG_CHANGED'
  | 'CERTBUS_MANAGER_NAME_REFUSED'
  | 'CERTBUS_MANAGER_KEY_TYPE_REFUSED'
  | 'CERTBUS_MANAGER_ZONE_NOT_CONFIGURED'
  | 'CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND'
  | 'CERTBUS_MANAGER_CLAIM_LOST'
  | 'CERTBUS_MANAGER_CLAIMED_ELSEWHERE'
  | 'CERTBUS_MANAGER_SECRET_HOST_REFUSED'
  | 'CERTBUS_MANAGER_SECRET_MISSING'
  | 'CERTBUS_MANAGER_PROGRAM_MISSING'
  | 'CERTBUS_MANAGER_ACCOUNT_MISSING'
  | 'CERTBUS_MANAGER_ACCOUNT_CLOSED'
  | 'CERTBUS_MANAGER_BUS_EXISTS'
  | 'CERTBUS_MANAGER_CHECK_IN_FAILED'
  | 'CERTBUS_MANAGER_REPLICA_EMPTY'
  | 'CERTBUS_MANAGER_NOT_RESTORED'
  | 'CERTBUS_MANAGER_ARCHIVE_MISSING'
  | 'CERTBUS_MANAGER_UPGRADE_NEEDED';

/** A refusal or failure of the manager. Branch on `code`, never on the message. */
export class ManagerError extends Error {
  override readonly name = 'ManagerError';
  readonly code: ManagerErrorCode;

  constructor(code: ManagerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The claim is somebody else's now: this driver stops and leaves the cleaning up to them. */
export function claimLost(certificateId: string): ManagerError {
  const what = `The claim on certificate ${certificateId} passed to another manager, which goes on with its order. Nothing is left to do here.`;
  return new ManagerError('CERTBUS_MANAGER_CLAIM_LOST', what);
}

/** No managed certificate has this id. */
export function certificateNotFound(certificateId: string): ManagerError {
  const shown = JSON.stringify(certificateId.slice(0, 40));
  const what = `No managed certificate has the id ${shown}. "certbus cert ls" lists them.`;
  return new ManagerError('CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND', what);
}
