/** Why AWS takes no credentials, whatever the service. */
import { describeDenial } from './denial.ts';

/** SDK errors that mean a login through IAM Identity Center, by their messages: they have no name of their own. */
const SSO = /\bSSO\b|aws sso login|UnauthorizedException|Session token not found/i;
const LOGIN = /aws login/;

/** What the SDK says where it says nothing. */
const NOTHING_FOUND = 'Could not load credentials from any providers';

const UNKNOWN =
  'refuses these credentials: they are not known there. Are they those of another partition of AWS, or is the region not enabled in their account?';
const SIGNATURE = 'refuses these credentials: the secret key or the clock is wrong';
const CLOCK = 'refuses the request: the clock of this machine is wrong';
const INCOMPLETE = 'refuses these credentials: they are incomplete';
const MISSING = 'needs credentials';
const EXPIRED = 'refuses these credentials: they have expired';

/** What the services answer, and the token service (STS), by the names of their errors. Those of S3 have other names than those of the others. */
const REFUSALS: Readonly<Record<string, string>> = {
  UnrecognizedClientException: UNKNOWN,
  InvalidClientTokenId: UNKNOWN,
  InvalidAccessKeyId: UNKNOWN,
  // versitygw's name for the same.
  XAdminUserNotFound: UNKNOWN,
  InvalidSignatureException: SIGNATURE,
  SignatureDoesNotMatch: SIGNATURE,
  RequestTimeTooSkewed: CLOCK,
  RequestExpired: CLOCK,
  IncompleteSignatureException: INCOMPLETE,
  IncompleteSignature: INCOMPLETE,
  MissingAuthenticationTokenException: MISSING,
  MissingAuthenticationToken: MISSING,
  ExpiredTokenException: EXPIRED,
  ExpiredToken: EXPIRED,
  InvalidToken: 'refuses these credentials: their session token is wrong',
  InvalidIdentityToken: 'refuses the token of the web identity that these credentials are made of',
};

/** What a signature is refused with that is too old, or of tomorrow. */
const SKEWED = /signature (?:has )?expired|signature not yet current/i;
const SCOPE = /scoped to a valid region/i;
/** What S3 says of an access key, in an error that it has for wrong regions as well. */
const ACCESS_KEY = /\bCredential is mal-?formed|\bAccess Key\b/i;

function describeMissing(message: string): string {
  const command = SSO.test(message) ? 'aws sso login' : LOGIN.test(message) ? 'aws login' : undefined;
  if (command !== undefined)
    return `needs AWS credentials: the login of the AWS profile has expired, or was never made. Run "${command}" with that profile`;
  const said = message.replace(/\.$/, '');
  const found = said === NOTHING_FOUND ? 'no variables, no profile of that name, no role of this machine' : said;
  return `needs AWS credentials, and none were found here: ${found}`;
}

function describe(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, message } = error;
  if (name === 'CredentialsProviderError') return describeMissing(message);
  const denial = /^AccessDenied/.test(name) ? describeDenial(error) : undefined;
  if (denial !== undefined && / lacks sts:/.test(denial)) return `needs the credentials of a role, and ${denial}`;
  if (name === 'AuthorizationHeaderMalformed' && ACCESS_KEY.test(message)) return INCOMPLETE;
  const refusal = REFUSALS[name];
  if (refusal !== SIGNATURE) return refusal;
  if (SCOPE.test(message)) return 'refuses the request, which was signed for another region: correct the region';
  return SKEWED.test(message) ? CLOCK : refusal;
}

/**
 * What a service says of the credentials of a request, or what the SDK lacks, as the end of a sentence about that service; `undefined` for any other
 * error.
 */
export function describeRefusedCredentials(error: unknown): string | undefined {
  return describe(error)?.replace(/(?<![?.])$/, '.');
}
