/** Which certificates of a bus are imported. */

/** A certificate of the bus. */
interface Certificate {
  readonly certificateId: string;
  readonly names: readonly string[];
}

/** What is chosen by: the id of a certificate, a name that it has, or `*.PARENT` for every name below a parent; `*` for all. */
function fits(each: string, { certificateId, names }: Certificate): boolean {
  if (each === '*' || each === certificateId) return true;
  const pattern = each.toLowerCase();
  return names.some((name) => name === pattern || (pattern.startsWith('*.') && name.endsWith(pattern.slice(1))));
}

/** Whether a certificate is imported. */
export const isChosen = (certificate: Certificate, wanted: readonly string[]): boolean =>
  wanted.some((each) => fits(each, certificate));

/** What of a choice fits none of the certificates: a slip, or what was removed. `*` is all that there are, be it none. */
export const withoutMatch = (certificates: readonly Certificate[], wanted: readonly string[]): readonly string[] =>
  wanted.filter((each) => each !== '*' && !certificates.some((certificate) => fits(each, certificate)));

/** Reads a list, as the variable of the function has it. Throws a `TypeError` for an empty one: nothing would be imported, and nobody would notice. */
export function parseChoice(text: string | undefined): readonly string[] {
  const wanted = (text ?? '').split(',').flatMap((each) => each.trim() || []);
  if (wanted.length === 0)
    throw new TypeError(
      'CERTBUS_ACM_CERTIFICATES names no certificate. It is a list of ids, names and *.PARENT, or "*".',
    );
  return wanted;
}
