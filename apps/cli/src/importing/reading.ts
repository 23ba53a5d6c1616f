/** What the readers of other programs' folders find. */
import type { JsonWebKey } from 'node:crypto';
import type { CaHint } from '@certbus/manager';
import type { FileRead, Tree } from './tree.ts';

/** A certificate with its private key, as text. */
export interface FoundCertificate {
  /** Where it was found, for people. */
  readonly source: string;
  /** PEM of the leaf and of what came with it. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
  readonly ca: CaHint;
}

/** The key of an ACME account. */
export interface FoundAccount {
  readonly source: string;
  /** PEM, a JWK, or the base64 of its DER. */
  readonly key: { readonly pem: string } | { readonly jwk: JsonWebKey } | { readonly der: string };
  readonly ca: CaHint;
}

/** What was found and is not imported. `refused`: something is wrong with it. */
export interface NotTaken {
  readonly source: string;
  readonly outcome: 'skipped' | 'refused';
  readonly why: string;
}

/** All that was found in one place. */
export interface Reading {
  readonly certificates: readonly FoundCertificate[];
  /** The likeliest of a CA first. */
  readonly accounts: readonly FoundAccount[];
  readonly notTaken: readonly NotTaken[];
}

/** Collects what a reader finds. */
export interface Collector extends Reading {
  readonly certificates: FoundCertificate[];
  readonly accounts: FoundAccount[];
  readonly notTaken: NotTaken[];
  /** Adds a pair of two files, or why one of them cannot be read. */
  addPair(tree: Tree, files: { readonly certificate: string; readonly key: string }, ca: CaHint): void;
  refuse(source: string, why: string): void;
  skip(source: string, why: string): void;
}

/** A collector that has found nothing yet. */
export function createCollector(): Collector {
  const certificates: FoundCertificate[] = [];
  const accounts: FoundAccount[] = [];
  const notTaken: NotTaken[] = [];
  const refuse = (source: string, why: string) => notTaken.push({ source, outcome: 'refused', why });
  return {
    certificates,
    accounts,
    notTaken,
    refuse,
    skip: (source, why) => notTaken.push({ source, outcome: 'skipped', why }),
    addPair(tree, files, ca) {
      const [certificate, key] = [tree.read(files.certificate), tree.read(files.key)];
      if ('why' in certificate) refuse(files.certificate, certificate.why);
      else if ('why' in key) refuse(files.key, key.why);
      else certificates.push({ source: files.certificate, certificate: certificate.text, key: key.text, ca });
    },
  };
}

/** The fields of a JSON object; none where a text is not one. */
export function fieldsOf(read: FileRead): Readonly<Record<string, unknown>> {
  if ('why' in read) return {};
  try {
    return recordOf(JSON.parse(read.text));
  } catch {
    return {};
  }
}

/** A value as an object; an empty one where it is not one. */
export const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};

/** A value as a string; `undefined` where it is not one. */
export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** A value as a list; an empty one where it is not one. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
