/** Reads what AWS says of a request that it denied. */

/** The one form of AWS's sentence, whatever the service (IAM user guide, "Access denied error message examples"). */
const SENTENCE = /(?:User|Principal): (\S+) is not authorized to perform: (\S+)(?: on resource: (\S+))?/;

/** What AWS says where a KMS key is the reason, whose name is not part of {@link SENTENCE}. */
const KMS = /\bKMS\b|\bciphertext refers to\b/;

/**
 * Who may not do what, with the name of the missing permission: `arn:…/manager lacks dynamodb:PutItem on arn:…`. `undefined` where AWS does not
 * say it. Of a KMS key that cannot be used, what AWS says.
 */
export function describeDenial(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : '';
  const [, who, permission, resource] = SENTENCE.exec(message) ?? [];
  if (!who || !permission) return KMS.test(message) ? `AWS says: ${message.replace(/\.$/, '')}` : undefined;
  return `${who} lacks ${permission}${resource ? ` on ${resource}` : ''}`;
}
