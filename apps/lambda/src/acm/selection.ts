/** Which certificates of a bus are imported. */

/** What is chosen by: the id of a certificate, a name that it has, or `*.PARENT` for every name below a parent; `*` for all. */
export function isChosen(
  { certificateId, names }: { readonly certificateId: string; readonly names: readonly string[] },
  wanted: readonly string[],
): boolean {
  return wanted.some((each) => {
    if (each === '*' || each === certificateId) return true;
    const pattern = each.toLowerCase();
    return names.some((name) => name === pattern || (pattern.startsWith('*.') && name.endsWith(pattern.slice(1))));
  });
}

/** Reads a list, as the variable of the function has it. Throws a `TypeError` for an empty one: nothing would be imported, and nobody would notice. */
export function parseChoice(text: string | undefined): readonly string[] {
  const wanted = (text ?? '').split(',').flatMap((each) => each.trim() || []);
  if (wanted.length === 0)
    throw new TypeError(
      'CERTBUS_ACM_CERTIFICATES names no certificate. It is a list of ids, names and *.PARENT, or "*".',
    );
  return wanted;
}
