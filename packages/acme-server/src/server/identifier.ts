/** The identifiers of orders. */

/** What a certificate is for (RFC 8555 §9.7.7, RFC 8738). A wildcard keeps its `*.` here. */
export interface Identifier {
  readonly type: 'dns' | 'ip';
  readonly value: string;
}
