/** Examines whether a domain exists and who serves it. */
import { classifyControl } from '@certbus/acme';
import type { DnsView } from '@certbus/solvers/dns-view';
import { type Finding, findingsOn } from './finding.ts';

/** Whether a domain is there at all, and who serves it: a name that has left is a frequent reason of failures that repeat. */
export async function examineControl(domain: string, view: DnsView, signal: AbortSignal): Promise<Finding> {
  const { good, warning, failed } = findingsOn('dns', domain);
  const facts = await view.control(domain, { signal });
  const { state, why } = classifyControl({ name: domain, ...facts, expectedNameServers: [] });
  if (state === 'gone')
    return failed(why, `Is ${domain} still registered, and delegated? If it is not yours any more: "certbus cert rm".`);
  if (state === 'unknown') return warning(why, 'Look at the resolver and the network.');
  const servers = facts.nameServers?.toSorted().join(', ');
  return good(servers ? `served by ${servers}` : 'it is there');
}
