/** A zone to be served, with its own name server `ns1` at the server's address and, below it, zones that it delegates. */
export interface ServedZone {
  readonly name: string;
  /** Names below that are zones of their own, on the same server. */
  readonly delegations?: readonly string[];
}

/** Records of a zone that somebody may change, so that nothing is remembered for longer than a second. */
export function zoneRecords({ name, delegations = [] }: ServedZone): {
  readonly name: string;
  readonly type: string;
  readonly content: string;
}[] {
  const ns = `ns1.${name}.`;
  return [
    { name: `${name}.`, type: 'SOA', content: `${ns} hostmaster.${name}. 1 3600 600 86400 1` },
    { name: `${name}.`, type: 'NS', content: ns },
    { name: ns, type: 'A', content: '127.0.0.1' },
    ...delegations.flatMap((child) => [
      { name: `${child}.`, type: 'NS', content: `ns1.${child}.` },
      { name: `ns1.${child}.`, type: 'A', content: '127.0.0.1' },
    ]),
  ];
}

/** The zone in the form of RFC 1035 section 5. */
export function zoneFile(zone: ServedZone): string {
  return zoneRecords(zone)
    .map(({ name, type, content }) => `${name} 60 IN ${type} ${content}\n`)
    .join('');
}
