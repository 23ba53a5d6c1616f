/** lego's httpreq protocol in words: what `certbus provider show` prints and `certbus init` asks. */
import { lookup, roots, urlFlag } from '../../definition/descriptions.ts';
import { type DnsProvider, defineProvider } from '../../definition/provider.ts';
import { settings } from './settings.ts';

export const httpReq: DnsProvider = defineProvider({
  schema: settings,
  summary: "a server that speaks lego's httpreq protocol",
  fields: {
    ...lookup,
    url: 'where /present and /cleanup are below',
    mode: 'default (name and value) or raw (domain, token and key authorization)',
    username: 'for basic authentication',
    password: 'goes with username',
    roots,
  },
  example: {
    zones: ['example.com'],
    provider: 'httpreq',
    url: 'https://dns.example.net',
    username: 'certbus',
    password: { env: 'CERTBUS_SECRET_HTTPREQ' },
  },
  flags: [
    urlFlag('Address of the server, below which /present is:'),
    { name: 'dns-username', description: 'user name for {providers}', field: ['username'] },
  ],
  goesWith: { password: 'username' },
  load: () => import('./solver.ts'),
});
