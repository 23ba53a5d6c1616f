import type { Directory } from './directory.ts';

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
export function endpointOf(url: string, home: string, directory: Directory | undefined): Endpoint {
  if (url === home) return 'directory';
  if (!directory) return 'other';
  if (url === directory.newNonce) return 'new-nonce';
  if (url === directory.newAccount) return 'new-account';
  if (url === directory.newOrder) return 'new-order';
  if (url === directory.revokeCert) return 'revoke';
  return directory.renewalInfo && url.startsWith(directory.renewalInfo) ? 'renewal-info' : 'other';
}
