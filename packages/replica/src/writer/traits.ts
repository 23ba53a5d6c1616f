/** Keeps what certificates have in common, each combination once. */
import type { DatabaseSync } from 'node:sqlite';
import type { KeyType, ManagedCertificate } from '@certbus/events';

/** What a certificate shares with many others. */
export interface Traits {
  /** The CA that it is renewed at; `undefined` for an imported certificate. */
  readonly directory: string | undefined;
  readonly profile: string | undefined;
  /** `undefined` for P-256. */
  readonly keyType: KeyType | undefined;
  /** SHA-256 of the certificate that issued it, base64url; `undefined` where it has none. */
  readonly issuer: string | undefined;
  /** Whether there is a certificate that is served. */
  readonly isServed: boolean;
}

/** The table of a generation, of some dozens of rows. */
export const traitsSchemaOf = (suffix: string): string => `
  CREATE TABLE traits${suffix} (id INTEGER PRIMARY KEY, traits TEXT NOT NULL UNIQUE) STRICT;`;

/** The traits of a certificate as the table has them. */
export const traitsOf = ({ directory, profile, keyType, current }: ManagedCertificate): string =>
  JSON.stringify([directory ?? null, profile ?? null, keyType ?? null, current?.issuers[0] ?? null, current ? 1 : 0]);

/** Reads what {@link traitsOf} wrote. */
export function parseTraits(text: string): Traits {
  const [directory, profile, keyType, issuer, isServed] = JSON.parse(text) as (string | number | null)[];
  const known = (value: string | number | null | undefined) => (typeof value === 'string' ? value : undefined);
  return {
    directory: known(directory),
    profile: known(profile),
    keyType: known(keyType) as KeyType | undefined,
    issuer: known(issuer),
    isServed: isServed === 1,
  };
}

/** Makes what gives traits their number in a generation. */
export function createTraitsWriter(database: DatabaseSync, suffix: string): (traits: string) => number {
  const add = database.prepare(`INSERT INTO traits${suffix} (traits) VALUES (?)`);
  const find = database.prepare(`SELECT id FROM traits${suffix} WHERE traits = ?`);
  return (traits) => {
    const known = find.get(traits)?.['id'];
    return Number(known ?? add.run(traits).lastInsertRowid);
  };
}
