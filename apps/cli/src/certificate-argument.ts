/** Finds the managed certificate that an argument of a command means. */
import { type ManagedCertificate, nameSetKey, normalizeNames } from '@certbus/events';
import type { Manager } from '@certbus/manager';
import { CliError } from './errors.ts';

/** An id has letters, digits, `-` and `_` alone; names and addresses have dots or colons. */
const isName = (argument: string): boolean => /[.:]/.test(argument);

/** A name in its one form; one that is malformed is in no certificate. */
function normalized(name: string): string {
  try {
    return normalizeNames([name])[0] ?? name;
  } catch {
    return name;
  }
}

/**
 * The id that an argument means: an id as it is, or the id of the certificate that has this name. Throws `CERTBUS_CLI_USAGE` with a list
 * where several have it, such as two with different key types.
 */
export function certificateIdOf({ state }: Pick<Manager, 'state'>, argument: string): string {
  if (!isName(argument)) return argument;
  const name = normalized(argument);
  const found = [...state.all()].filter(({ names }) => names.includes(name));
  const [only] = found;
  if (found.length <= 1) return only?.certificateId ?? argument;
  const bySet = found.toSorted((a, b) => (nameSetKey(a.names) < nameSetKey(b.names) ? -1 : 1));
  const list = bySet.map(({ certificateId, names, keyType, directory }) => {
    const key = keyType ?? (directory === undefined ? 'imported' : 'P-256');
    return `${certificateId} (${key}: ${names.join(', ')})`;
  });
  throw new CliError(
    'CERTBUS_CLI_USAGE',
    `Several certificates have the name ${name}; give the id of one: ${list.join('; ')}.`,
  );
}

/** The certificate that an argument means. Throws as {@link certificateIdOf}, and `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`. */
export async function certificateOf(source: Pick<Manager, 'state'>, argument: string): Promise<ManagedCertificate> {
  const id = certificateIdOf(source, argument);
  const certificate = source.state.certificate(id);
  if (certificate && !certificate.removed) return certificate;
  const { certificateNotFound } = await import('@certbus/manager');
  throw certificateNotFound(id);
}
