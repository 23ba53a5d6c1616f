/** What a validation is about, as those who watch the server are told. */
import type { PendingValidation } from '../ca.ts';
import type { ValidatedChallenge } from '../events.ts';

/** The challenge of a validation, with the name as it was ordered. */
export function subjectOf({ account, authorization, challenge }: PendingValidation): ValidatedChallenge {
  const { isWildcard, identifier } = authorization;
  return {
    name: `${isWildcard ? '*.' : ''}${identifier.value}`,
    type: challenge.type,
    keyAuthorization: `${challenge.token}.${account.publicKey.thumbprint}`,
  };
}
