/** Reads what AWS says of a request that it refused or denied. */

/** The one form of AWS's sentence, whatever the service (IAM user guide, "Access denied error message examples"). */
const SENTENCE = /(?:User|Principal): (\S+) is not authorized to perform: (\S+)(?: on resource: (\S+))?/;

/** What of a sentence names another policy than one of the caller's own: adding to that one would not help. */
const OTHER_POLICY = /with an explicit deny in an? ([\w -]+?)(?:[.:]|$)|because no (?!identity-based)([\w -]+?) allows/;

/** What AWS says where a KMS key is the reason, whose name is not part of {@link SENTENCE}. */
const KMS = /\bKMS\b|\bciphertext refers to\b/;

/** Where else a permission is missing than in a policy of the caller. */
function elsewhere(message: string): string {
  const [, denying, silent] = OTHER_POLICY.exec(message) ?? [];
  if (denying) return `, which is denied by ${denying === 'identity-based policy' ? 'its own policy' : `a ${denying}`}`;
  return silent ? `, which no ${silent} allows` : '';
}

/**
 * Who may not do what, with the name of the missing permission: `arn:…/manager lacks dynamodb:PutItem on arn:…`, and whose policy that is where it
 * is not the caller's. `undefined` where AWS does not say it. Of a KMS key that cannot be used, what AWS says.
 */
export function describeDenial(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : '';
  const [, who, permission, resource] = SENTENCE.exec(message) ?? [];
  if (!who || !permission) return KMS.test(message) ? `AWS says: ${message.replace(/\.$/, '')}` : undefined;
  return `${who} lacks ${permission}${resource ? ` on ${resource}` : ''}${elsewhere(message)}`;
}

/** Whether a service of AWS answered that it will not do something, whatever it is. */
export function isRefused(error: unknown): boolean {
  const { httpStatusCode = 0 } =
    (error as { readonly $metadata?: { readonly httpStatusCode?: number } } | undefined)?.$metadata ?? {};
  return httpStatusCode >= 400 && httpStatusCode < 500;
}
