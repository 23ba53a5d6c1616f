/** Finds the managed certificate that an argument of a command means. */
import { type ManagedCertificate, nameSetKey, normalizeNames } from '@certbus/events';
import type { Manager } from '@certbus/manager';
import { begunBy, didYouMean } from './did-you-mean.ts';
import { CliError } from './errors.ts';

/** A name in its one form; one that is malformed is in no certificate. */
function normalized(name: string): string {
  try {
    return normalizeNames([name])[0] ?? name;
  } catch {
    return name;
  }
}

/** The only certificate that has a name; `undefined` where none has it. Throws `CERTBUS_CLI_USAGE` with a list where several have it. */
function withName(all: readonly ManagedCertificate[], name: string): ManagedCertificate | undefined {
  const found = all.filter(({ names }) => names.includes(name));
  if (found.length <= 1) return found[0];
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

/**
 * The certificate that an argument means: the one with this id, or the only one with this name. Throws `CERTBUS_CLI_USAGE` with a list
 * where several have it, such as two with different key types, and `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND` with those that look like it.
 *
 * @param options with `takesRemoved` the id can be that of a removed one; default false.
 */
export async function certificateOf(
  { state }: Pick<Manager, 'state'>,
  argument: string,
  { takesRemoved = false }: { readonly takesRemoved?: boolean } = {},
): Promise<ManagedCertificate> {
  const found = state.certificate(argument) ?? withName([...state.all()], normalized(argument));
  if (found && (takesRemoved || !found.removed)) return found;
  const known = [...state.all()].flatMap(({ certificateId, names }) => [certificateId, ...names]);
  const { certificateNotFound } = await import('@certbus/manager');
  throw certificateNotFound(argument, didYouMean(begunBy(argument, known)));
}
