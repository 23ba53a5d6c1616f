/** What to do about a login at AWS that has expired. */

/** SDK errors that mean a login through IAM Identity Center, by their messages: they have no name of their own. */
const SSO = /\bSSO\b|aws sso login|UnauthorizedException|Session token not found/i;
const LOGIN = /aws login/;

/**
 * Why there are no credentials where a profile has them by a login, with the command that makes them; `undefined` for any other error.
 */
export function describeExpiredLogin(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'CredentialsProviderError') return undefined;
  const command = SSO.test(error.message) ? 'aws sso login' : LOGIN.test(error.message) ? 'aws login' : undefined;
  if (command === undefined) return undefined;
  return `the login of the AWS profile has expired, or was never made. Run "${command}" with that profile`;
}
