/** PowerDNS in words: what `certbus provider show` prints and `certbus init` asks. */
import { lookup, roots, urlFlag } from '../../definition/descriptions.ts';
import { type DnsProvider, defineProvider } from '../../definition/provider.ts';
import { settings } from './settings.ts';

export const powerDns: DnsProvider = defineProvider({
  schema: settings,
  summary: 'PowerDNS Authoritative Server, by its API',
  fields: { ...lookup, url: 'address of the API', apiKey: 'its api-key', serverId: 'default localhost', roots },
  example: {
    zones: ['example.com'],
    provider: 'powerdns',
    url: 'https://ns1.example.com:8081',
    apiKey: { env: 'CERTBUS_SECRET_POWERDNS' },
  },
  flags: [urlFlag('Address of the PowerDNS API:')],
  load: () => import('./solver.ts'),
});
