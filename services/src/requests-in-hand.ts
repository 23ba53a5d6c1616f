/** Sees which requests of this process wait for their answers: over HTTP by what Node and undici tell, and look-ups in DNS. */

import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';

/** Requests of this process. */
export interface Requests {
  /** How many began since the process looks. */
  readonly begun: number;
  readonly areWaiting: boolean;
}

const inHand = new Set<unknown>();
let begun = 0;

function begin(request: unknown): void {
  begun += 1;
  inHand.add(request);
}

subscribe('http.client.request.start', (message) => {
  const { request } = message as { readonly request: ClientRequest };
  begin(request);
  request.once('close', () => inHand.delete(request));
});
subscribe('undici:request:create', (message) => begin((message as { readonly request: unknown }).request));
for (const end of ['undici:request:trailers', 'undici:request:error'])
  subscribe(end, (message) => inHand.delete((message as { readonly request: unknown }).request));

/** Requests of this process since it began to look. */
export function requestsOfThisProcess(): Requests {
  const resolving = process
    .getActiveResourcesInfo()
    .some((name) => name === 'QueryReqWrap' || name.startsWith('GetAddrInfo'));
  return { begun, areWaiting: inHand.size > 0 || resolving };
}
