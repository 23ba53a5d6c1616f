/** Cloudflare in words: what `certbus provider show` prints and `certbus init` asks. */
import { lookup } from '../../definition/descriptions.ts';
import { type DnsProvider, defineProvider } from '../../definition/provider.ts';
import { settings } from './settings.ts';

export const cloudflare: DnsProvider = defineProvider({
  schema: settings,
  summary: 'Cloudflare',
  fields: { ...lookup, token: 'an API token with Zone.DNS:Edit and Zone.Zone:Read' },
  example: { zones: ['example.com'], provider: 'cloudflare', token: { env: 'CERTBUS_SECRET_CLOUDFLARE' } },
  load: () => import('./solver.ts'),
});
