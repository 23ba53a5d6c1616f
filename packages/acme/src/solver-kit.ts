/** What solvers are built with, beside the port itself: readers of hostile answers, and what a CA's rules say of names and waits. */
export { childOf, type DerValue, readDer } from './der.ts';
export { canonicalName, isAddress, reverseNameOf } from './identifier.ts';
export { isRecord, textOf } from './json.ts';
export { mapFew } from './parallel.ts';
export { readGrant, recordFor } from './persistent-record.ts';
export { proxyHost } from './proxy.ts';
export { parseRetryAfter } from './retry-after.ts';
