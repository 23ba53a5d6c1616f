/** Validates dns-01 and dns-account-01. */
import { createHash } from 'node:crypto';
import { ProblemDocument } from '../problem-document.ts';
import type { MethodContext } from './method.ts';

/** Looks for the digest of the key authorization among the TXT records of a name. */
async function checkTxt({ dns, keyAuthorization }: MethodContext, name: string): Promise<void> {
  const expected = createHash('sha256').update(keyAuthorization).digest('base64url');
  const found = await dns.txt(name);
  if (found.includes(expected)) return;
  const detail =
    found.length === 0
      ? `No TXT record found at ${name}`
      : `Incorrect TXT record "${found[0]?.slice(0, 100)}"${found.length > 1 ? ` (and ${found.length - 1} more)` : ''} found at ${name}`;
  throw new ProblemDocument('unauthorized', detail);
}

/** RFC 8555 §8.4. */
export function validateDns01(context: MethodContext): Promise<void> {
  return checkTxt(context, `_acme-challenge.${context.authorization.identifier.value}`);
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** First ten bytes of a digest as sixteen characters (RFC 4648 §6). */
function labelOf(digest: Buffer): string {
  const bits = [...digest.subarray(0, 10)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{5}/g) ?? [];
  return groups.map((group) => BASE32[Number.parseInt(group, 2)]).join('');
}

/** draft-ietf-acme-dns-account-label-02: as dns-01, under a label of the account's own. */
export function validateDnsAccount01(context: MethodContext): Promise<void> {
  const label = labelOf(createHash('sha256').update(context.accountUrl).digest());
  return checkTxt(context, `_${label}._acme-challenge.${context.authorization.identifier.value}`);
}
