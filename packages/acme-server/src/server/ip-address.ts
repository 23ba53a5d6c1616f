/** The groups of IPv6 addresses. */

/** The eight groups of an IPv6 address, four digits each. */
export function groupsOf(address: string): string[] {
  const [front = [], back = []] = address.split('::').map((part) => (part === '' ? [] : part.split(':')));
  const missing = address.includes('::') ? 8 - front.length - back.length : 0;
  const groups = [...front, ...Array.from({ length: missing }, () => '0'), ...back];
  return groups.map((group) => group.padStart(4, '0'));
}
