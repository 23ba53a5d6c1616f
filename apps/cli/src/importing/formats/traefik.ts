/** Reads Traefik's `acme.json`: certificates and the account of each resolver. */
import { createCollector, listOf, type Reading, recordOf, textOf } from '../reading.ts';

const decode = (base64: unknown): string => Buffer.from(textOf(base64) ?? '', 'base64').toString();

/** Whether a JSON value is what Traefik writes. */
export const isTraefik = (json: unknown): boolean =>
  Object.values(recordOf(json)).some(
    (resolver) => 'Certificates' in recordOf(resolver) || 'Account' in recordOf(resolver),
  );

/** Reads certificates and accounts. */
export function readTraefik(json: unknown): Reading {
  const found = createCollector();
  for (const [resolver, value] of Object.entries(recordOf(json))) {
    const { Account, Certificates } = recordOf(value);
    const { PrivateKey, Registration } = recordOf(Account);
    const ca = { url: textOf(recordOf(Registration)['uri']) };
    for (const each of listOf(Certificates).map(recordOf)) {
      const name = textOf(recordOf(each['domain'])['main']) ?? 'a certificate without a name';
      const pair = { certificate: decode(each['certificate']), key: decode(each['key']) };
      found.certificates.push({ source: `${resolver}: ${name}`, ...pair, ca });
    }
    const der = textOf(PrivateKey);
    if (der) found.accounts.push({ source: `${resolver}: account`, key: { der }, ca });
  }
  return found;
}
