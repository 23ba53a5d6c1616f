/** Signed dynamic updates in words: what `certbus provider show` prints and `certbus init` asks. */
import { lookup } from '../../definition/descriptions.ts';
import { type DnsProvider, defineProvider } from '../../definition/provider.ts';
import { settings } from './settings.ts';

export const rfc2136: DnsProvider = defineProvider({
  schema: settings,
  summary: 'dynamic updates signed by TSIG: BIND, Knot DNS and others',
  fields: {
    ...lookup,
    server: "the zone's primary: HOST, HOST:PORT or [IPV6]:PORT",
    key: 'name, algorithm (hmac-sha256, hmac-sha384 or hmac-sha512) and secret (base64) of the TSIG key',
    zone: 'the zone of all names; found in DNS where absent',
    transport: 'udp (then tcp where an answer is cut off) or tcp',
  },
  example: {
    zones: ['example.com'],
    provider: 'rfc2136',
    server: 'ns1.example.com',
    key: { name: 'certbus', algorithm: 'hmac-sha256', secret: { env: 'CERTBUS_SECRET_TSIG' } },
  },
  flags: [
    {
      name: 'dns-server',
      description: 'primary server for {providers}',
      field: ['server'],
      question: "The zones' primary server, HOST or HOST:PORT:",
    },
    {
      name: 'dns-key-name',
      description: 'name of the TSIG key for {providers}',
      field: ['key', 'name'],
      question: 'Name of the TSIG key:',
    },
  ],
  load: () => import('./solver.ts'),
});
