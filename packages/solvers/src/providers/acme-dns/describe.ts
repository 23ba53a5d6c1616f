/** acme-dns in words: what `certbus provider show` prints and `certbus init` asks. */
import { lookup, roots, urlFlag } from '../../definition/descriptions.ts';
import { type DnsProvider, defineProvider } from '../../definition/provider.ts';
import { settings } from './settings.ts';

export const acmeDns: DnsProvider = defineProvider({
  schema: settings,
  summary: 'acme-dns, which names point to by CNAME',
  fields: { ...lookup, url: 'address of its API', roots, accounts: 'what registering answered, one for each name' },
  example: {
    zones: ['*'],
    provider: 'acme-dns',
    url: 'https://auth.example.com',
    accounts: [
      {
        fulldomain: '8e5700ea.auth.example.com',
        subdomain: '8e5700ea',
        username: 'c36f50e8',
        password: { env: 'CERTBUS_SECRET_ACME_DNS' },
      },
    ],
  },
  flags: [urlFlag('Address of acme-dns:')],
  load: () => import('./solver.ts'),
});
