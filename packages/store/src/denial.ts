/** Reads what AWS says of a request that it denied. */

/** The one form of AWS's sentence, whatever the service (IAM user guide, "Access denied error message examples"). */
const SENTENCE = /(?:User|Principal): (\S+) is not authorized to perform: (\S+)(?: on resource: (\S+))?/;

/**
 * Who may not do what, with the name of the missing permission: `arn:…/manager lacks dynamodb:PutItem on arn:…`. `undefined` where AWS does not
 * say it.
 */
export function describeDenial(error: unknown): string | undefined {
  const [, who, permission, resource] = SENTENCE.exec(error instanceof Error ? error.message : '') ?? [];
  if (!who || !permission) return undefined;
  return `${who} lacks ${permission}${resource ? ` on ${resource}` : ''}`;
}
