/** Checks the domain that `certbus init` names at its end. */
import { parseSubject } from '@certbus/manager';

/**
 * The domain that a user types, in its one form. A wildcard stands for the domain that it is of, whose certificate covers both. Throws
 * `CERTBUS_MANAGER_NAME_REFUSED` for what no CA issues for.
 *
 * @param options.hasDns whether it is proved in DNS; an IP address cannot be.
 */
export function parseDomain(text: string, { hasDns }: { readonly hasDns: boolean }): string {
  const domain = text.replace(/^\*\.(?!.*\*)/, '');
  return parseSubject([domain], hasDns ? 'dns-01' : 'http-01')[0] ?? domain;
}
