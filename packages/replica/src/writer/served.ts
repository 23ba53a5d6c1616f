/** What of a certificate's state decides what is served of it. */
import type { IssuedCertificate, ManagedCertificate } from '@certbus/events';

const markOf = ({ leafHash, names, distrusted }: IssuedCertificate): string =>
  `${leafHash} ${distrusted ?? false} ${names.join(' ')}`;

const markOfAll = (certificate: ManagedCertificate | undefined): string => {
  if (!certificate) return '';
  const { current, predecessors } = certificate;
  return [current, ...predecessors].map((issued) => (issued ? markOf(issued) : '')).join('\n');
};

/**
 * Whether the same is served of a certificate before and after events. Claims, orders, failures and renewal windows change nothing of it,
 * and neither does a key that was sealed to others as well.
 */
export function isServedAlike(before: ManagedCertificate | undefined, after: ManagedCertificate): boolean {
  // Events that are about something else leave these objects as they were.
  if (before && before.current === after.current && before.predecessors === after.predecessors) return true;
  return (before?.removed ?? false) === after.removed && markOfAll(before) === markOfAll(after);
}
