/** Finds secrets where none belong, however they were written there. */
import { createPrivateKey } from 'node:crypto';

/** Something that must be nowhere. */
export interface ScannedSecret {
  /** What it is, for the message. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** So many of a secret's bytes are no coincidence; a part of it is looked for, since what prints bytes often cuts them off. */
const PART_BYTES = 8;

/** The secret numbers of a private key in PEM, one by one, as each of its formats holds them: PKCS#8, SEC1, PKCS#1, JWK. */
export function secretsOfKey(name: string, pem: string): readonly ScannedSecret[] {
  const jwk = createPrivateKey(pem).export({ format: 'jwk' });
  return (['d', 'p', 'q'] as const).flatMap((field) => {
    const text = jwk[field];
    return typeof text === 'string' ? [{ name: `${field} of ${name}`, bytes: Buffer.from(text, 'base64url') }] : [];
  });
}

/** A secret that is a text, such as a line of a key file. */
export const secretText = (name: string, text: string): ScannedSecret => ({ name, bytes: Buffer.from(text) });

function partsOf(bytes: Uint8Array): readonly Uint8Array[] {
  if (bytes.length <= PART_BYTES) return [bytes];
  const parts: Uint8Array[] = [];
  for (let at = 0; at + PART_BYTES <= bytes.length; at += PART_BYTES) parts.push(bytes.subarray(at, at + PART_BYTES));
  return parts;
}

/** What base64 makes of these bytes behind so many others: the characters that depend on them alone. */
function base64At(bytes: Uint8Array, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
}

/** Where a part can be found: in a text as it is, and in the same without white space and in one case. */
function formsOf(
  bytes: Uint8Array,
): readonly { readonly form: string; readonly text: string; readonly isFolded: boolean }[] {
  const base64 = [0, 1, 2].map((offset) => ({ form: `base64 at ${offset}`, text: base64At(bytes, offset) }));
  const base64url = base64.map(({ form, text }) => ({
    form: form.replace('base64', 'base64url'),
    text: text.replaceAll('+', '-').replaceAll('/', '_'),
  }));
  const exact = [{ form: 'bytes', text: Buffer.from(bytes).toString('latin1') }, ...base64, ...base64url];
  const folded = [
    { form: 'hexadecimal', text: Buffer.from(bytes).toString('hex') },
    { form: 'decimal numbers', text: [...bytes].join(',') },
  ];
  return [
    ...exact.map((each) => ({ ...each, isFolded: false })),
    ...folded.map((each) => ({ ...each, isFolded: true })),
  ];
}

/**
 * The secrets that are in a text, each with the form that gives it away: as bytes (of a text that was read as `latin1`), in hexadecimal,
 * in base64 and base64url at every alignment, as a JWK's or PEM's, or as numbers, with white space between or not.
 */
export function findSecrets(text: string, secrets: readonly ScannedSecret[]): readonly string[] {
  const dense = text.replaceAll(/\s/g, '');
  const folded = dense.toLowerCase();
  return secrets.flatMap(({ name, bytes }) => {
    const forms = partsOf(bytes).flatMap(formsOf);
    const found = forms.find((form) =>
      form.isFolded ? folded.includes(form.text) : text.includes(form.text) || dense.includes(form.text),
    );
    return found ? [`${name}, as ${found.form}`] : [];
  });
}
