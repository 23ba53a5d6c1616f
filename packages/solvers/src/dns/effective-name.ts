/** Where a record goes that an alias points to. */
import { AcmeError } from '@certbus/acme';
import type { Lookups } from './lookups.ts';

const MAX_CNAMES = 8;

/**
 * The name at which a CA will find a TXT record: where CNAMEs lead (RFC 8555 §8.4 with RFC 1034 §3.6.2). Rejects with
 * `CERTBUS_ACME_SOLVER_FAILED` for a loop, for a chain of more than eight, and where DNS does not answer.
 */
export async function effectiveName(dnsName: string, { cname }: Pick<Lookups, 'cname'>): Promise<string> {
  const seen = [dnsName];
  for (let name = dnsName; ; ) {
    const target = await cname(name);
    if (target === undefined) return name;
    const isLoop = seen.includes(target);
    seen.push(target);
    if (isLoop || seen.length > MAX_CNAMES + 1) {
      const why = isLoop ? 'lead in a circle' : `are more than ${MAX_CNAMES}`;
      const message = `The CNAMEs of ${dnsName} ${why}: ${seen.join(' -> ')}. Correct them in DNS.`;
      throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
    }
    name = target;
  }
}
