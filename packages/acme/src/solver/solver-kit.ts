/** What solvers are built with, next to the port itself: readers of hostile answers, and a CA's rules about names and waits. */

export { canonicalName, isAddress, reverseNameOf } from '../order/identifier.ts';
export { mapFew } from '../order/parallel.ts';
export { type Allowance, readGrant, recordFor } from '../order/persistent-record.ts';
export { isRecord, textOf } from '../wire/json.ts';
export { parseRetryAfter } from '../wire/retry-after.ts';
export { childOf, type DerValue, readDer } from '../x509/der.ts';
