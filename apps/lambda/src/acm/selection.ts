/** Which certificates of a bus are imported, and where. */
import { normalizeName } from '@certbus/events';
import { LambdaError } from '../errors.ts';

/** A certificate of the bus. */
interface Certificate {
  readonly certificateId: string;
  readonly names: readonly string[];
}

/** A name as certificates have it: people write capitals, a dot at its end, other scripts, long addresses. */
function inOneForm(name: string): string {
  try {
    return normalizeName(name);
  } catch {
    // An id, or a slip, which fits nothing.
    return name;
  }
}

/** What is chosen by: the id of a certificate, a name that it has, or `*.PARENT` for every name below a parent; `*` for all. */
function fits(each: string, { certificateId, names }: Certificate): boolean {
  if (each === '*' || each === certificateId) return true;
  const pattern = inOneForm(each);
  return names.some((name) => name === pattern || (pattern.startsWith('*.') && name.endsWith(pattern.slice(1))));
}

/** Whether a certificate is imported. */
export const isChosen = (certificate: Certificate, wanted: readonly string[]): boolean =>
  wanted.some((each) => fits(each, certificate));

/** What of a choice fits none of the certificates: a slip, or what was removed. `*` is all that there are, be it none. */
export const withoutMatch = (certificates: readonly Certificate[], wanted: readonly string[]): readonly string[] =>
  wanted.filter((each) => each !== '*' && !certificates.some((certificate) => fits(each, certificate)));

const listOf = (text: string | undefined): readonly string[] =>
  (text ?? '').split(',').flatMap((each) => each.trim() || []);

/**
 * Reads a list, as the variable of the function has it. Throws `CERTBUS_LAMBDA_SETTING_INVALID` for an empty one: nothing would be imported, and nobody
 * would notice.
 */
export function parseChoice(text: string | undefined): readonly string[] {
  const wanted = listOf(text);
  if (wanted.length > 0) return wanted;
  const what = 'CERTBUS_ACM_CERTIFICATES names no certificate. Set it to a list of ids, names and *.PARENT, or to "*".';
  throw new LambdaError('CERTBUS_LAMBDA_SETTING_INVALID', what);
}

const REGION = /^[a-z]{2,}(?:-[a-z]+)+-\d+$/;

/**
 * Reads the regions, each once: what was imported a moment ago may not be listed yet, and a region that is named twice would have it twice. Throws
 * `CERTBUS_LAMBDA_SETTING_INVALID` for none, and for what is not the name of a region.
 */
export function parseRegions(text: string | undefined): readonly string[] {
  const regions = [...new Set(listOf(text))];
  const wrong = regions.filter((region) => !REGION.test(region));
  if (regions.length > 0 && wrong.length === 0) return regions;
  const found = regions.length === 0 ? 'names no region, and AWS_REGION is not set' : `has ${wrong.join(', ')}`;
  const what = `CERTBUS_ACM_REGIONS ${found}. Set it to names of regions with commas between them, such as eu-central-1,us-east-1.`;
  throw new LambdaError('CERTBUS_LAMBDA_SETTING_INVALID', what);
}
