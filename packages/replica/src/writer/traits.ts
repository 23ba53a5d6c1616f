/** Keeps what certificates have in common, each combination once. */
import type { DatabaseSync } from 'node:sqlite';
import type { CertificateOrigin, ChallengeType, KeyType, ManagedCertificate } from '@certbus/events';

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
  /** Key id of the manager that obtained it; `undefined` where the bus does not say. */
  readonly by: string | undefined;
  /** Key id of the manager that made its private key; `undefined` where the bus does not say. */
  readonly keyBy: string | undefined;
  /** Position of the recipients that its private key was sealed to at first; `undefined` where the bus does not say. */
  readonly recipientsPosition: number | undefined;
  /** Whether it was sealed to others since. */
  readonly isResealed: boolean;
  /** `undefined` for an imported certificate. */
  readonly challengeType: ChallengeType | undefined;
}

/** The table of a generation, of some dozens of rows. */
export const traitsSchemaOf = (suffix: string): string => `
  CREATE TABLE traits${suffix} (id INTEGER PRIMARY KEY, traits TEXT NOT NULL UNIQUE) STRICT;`;

/** The traits of a certificate as the table has them. */
export function traitsOf({ directory, profile, keyType, challengeType, current }: ManagedCertificate): string {
  const { by, keyBy, recipientsPosition, isResealed } = traitsOfOrigin(current?.origin);
  const managed = [directory, profile, keyType, current?.issuers[0]].map((value) => value ?? null);
  const origin = [by ?? null, keyBy ?? null, recipientsPosition ?? null, isResealed ? 1 : 0];
  return JSON.stringify([...managed, current ? 1 : 0, ...origin, challengeType ?? null]);
}

/** What the origin of a certificate says of it; that its claim was not read leaves open who made its key. */
export function traitsOfOrigin(
  origin: CertificateOrigin | undefined,
): Pick<Traits, 'by' | 'keyBy' | 'recipientsPosition' | 'isResealed'> {
  const { by, recipientsPosition, isResealed = false } = origin ?? {};
  const keyBy = origin?.keyBy ?? (recipientsPosition === undefined ? undefined : by);
  return { by, keyBy, recipientsPosition, isResealed };
}

/** Reads what {@link traitsOf} wrote. */
function parseTraits(text: string): Traits {
  const [directory, profile, keyType, issuer, isServed, by, keyBy, position, isResealed, challengeType] = JSON.parse(
    text,
  ) as (string | number | null)[];
  const known = (value: string | number | null | undefined) => (typeof value === 'string' ? value : undefined);
  return {
    directory: known(directory),
    profile: known(profile),
    keyType: known(keyType) as KeyType | undefined,
    issuer: known(issuer),
    isServed: isServed === 1,
    by: known(by),
    keyBy: known(keyBy),
    recipientsPosition: typeof position === 'number' ? position : undefined,
    isResealed: isResealed === 1,
    challengeType: known(challengeType) as ChallengeType | undefined,
  };
}

/** Makes what reads all traits of a generation, by their number. */
export function createTraitsReader(database: DatabaseSync, suffix: string): () => ReadonlyMap<number, Traits> {
  const select = database.prepare(`SELECT id, traits FROM traits${suffix}`);
  return () => new Map(select.all().map((row) => [Number(row['id']), parseTraits(String(row['traits']))]));
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
