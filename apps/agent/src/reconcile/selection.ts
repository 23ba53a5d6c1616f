/** Which certificates of a bus a target gets. */
import { isIP } from 'node:net';
import type { CertificateSummary } from '@certbus/client/material';

/** Which certificates of a bus a target gets; default all. One that any entry fits is taken. */
export interface Selection {
  /** Ids. */
  readonly ids?: readonly string[] | undefined;
  /** Names in their one form: `example.com` itself, or `*.example.com` for every name below it, the wildcard among them. */
  readonly names?: readonly string[] | undefined;
}

function fits(name: string, pattern: string): boolean {
  if (!pattern.startsWith('*.') || isIP(name) !== 0) return name === pattern;
  return name.endsWith(pattern.slice(1));
}

/** Whether a certificate is among those that are selected. */
export function isSelected(
  { certificateId, names }: Pick<CertificateSummary, 'certificateId' | 'names'>,
  { ids, names: patterns }: Selection,
): boolean {
  if (!ids && !patterns) return true;
  if (ids?.includes(certificateId)) return true;
  return patterns?.some((pattern) => names.some((name) => fits(name, pattern))) ?? false;
}
