/** What a CA counts requests by, and which address belongs to what. */
import type { DirectoryObject } from './directory.ts';

/** What a CA counts requests by: Let's Encrypt limits each of these on its own. */
export type Endpoint = 'directory' | 'new-nonce' | 'new-account' | 'new-order' | 'revoke' | 'renewal-info' | 'other';

/** All endpoints. */
export const ENDPOINTS: readonly Endpoint[] = [
  'directory',
  'new-nonce',
  'new-account',
  'new-order',
  'revoke',
  'renewal-info',
  'other',
];

/** The endpoint that an address belongs to. Orders, authorizations, challenges and certificates are `other`. */
export function endpointOf(url: string, directory: string, resources: DirectoryObject | undefined): Endpoint {
  if (url === directory) return 'directory';
  if (!resources) return 'other';
  if (url === resources.newNonce) return 'new-nonce';
  if (url === resources.newAccount) return 'new-account';
  if (url === resources.newOrder) return 'new-order';
  if (url === resources.revokeCert) return 'revoke';
  return resources.renewalInfo && url.startsWith(resources.renewalInfo) ? 'renewal-info' : 'other';
}
