/** Accounts and certificates as lines of the file that outlives the server. */
import { isRecord } from '../base64url.ts';
import { parseJwk } from '../public-key.ts';
import type { Account, IssuedCertificate, Records } from '../records.ts';

/** One line: an account or a certificate as it is now. A later line of the same one replaces an earlier one. */
export function accountLine({ publicKey, createdAt, ...rest }: Account): string {
  const key = publicKey.key.export({ format: 'jwk' });
  return `${JSON.stringify({ account: { ...rest, key, createdAt: createdAt.toISOString() } })}\n`;
}

/** The same of a certificate. Which order replaces it is left out: orders end with the server. */
export function certificateLine({ account, leaf, replacedBy: _, ...rest }: IssuedCertificate): string {
  return `${JSON.stringify({ certificate: { ...rest, account: account.id, leaf: leaf.toString('base64') } })}\n`;
}

type KeptAccount = Omit<Account, 'publicKey' | 'createdAt'> & { readonly key: unknown; readonly createdAt: string };

type KeptCertificate = Omit<IssuedCertificate, 'account' | 'leaf' | 'notBefore' | 'notAfter' | 'revoked'> & {
  readonly account: string;
  readonly leaf: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly revoked?: { readonly at: string; readonly reason: number };
};

function openAccount({ key, createdAt, ...rest }: KeptAccount): Account {
  return { ...rest, publicKey: parseJwk(key), createdAt: new Date(createdAt) };
}

function openCertificate(kept: KeptCertificate, { accounts }: Records): IssuedCertificate {
  const { revoked, ...rest } = kept;
  const account = accounts.get(kept.account);
  if (!account) throw new TypeError(`the account of the certificate ${kept.serial} is missing`);
  return {
    ...rest,
    account,
    leaf: Buffer.from(kept.leaf, 'base64'),
    notBefore: new Date(kept.notBefore),
    notAfter: new Date(kept.notAfter),
    ...(revoked ? { revoked: { ...revoked, at: new Date(revoked.at) } } : {}),
  };
}

/** Puts what a line holds into the records. Throws what `JSON.parse` throws, `TypeError` or a problem for a line that is not right. */
export function readLine(line: string, records: Records): void {
  const value: unknown = JSON.parse(line);
  if (isRecord(value) && isRecord(value['account'])) {
    const { id, ...account } = openAccount(value['account'] as unknown as KeptAccount);
    // Certificates hold their account itself: what a later line changes has to show there.
    const known = records.accounts.get(id);
    if (known) Object.assign(known, account);
    else records.accounts.set(id, { id, ...account });
  } else if (isRecord(value) && isRecord(value['certificate'])) {
    const certificate = openCertificate(value['certificate'] as unknown as KeptCertificate, records);
    records.certificates.set(certificate.serial, certificate);
  } else throw new TypeError('it is neither an account nor a certificate');
}
