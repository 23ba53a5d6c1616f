/** Route 53 in words: what `certbus provider show` prints and `certbus init` asks. */
import { lookup } from '../../definition/descriptions.ts';
import { type DnsProvider, defineProvider } from '../../definition/provider.ts';
import { settings } from './settings.ts';

export const route53: DnsProvider = defineProvider({
  schema: settings,
  summary: 'Amazon Route 53',
  fields: {
    ...lookup,
    zoneId: 'the hosted zone; needed only where two public zones have one name',
    region: 'default us-east-1, where Route 53 is',
    endpoint: 'another address of the API',
    accessKeyId: "where absent, the environment's credentials",
    secretAccessKey: 'goes with accessKeyId',
  },
  example: { zones: ['example.com'], provider: 'route53' },
  flags: [
    {
      name: 'dns-zone-id',
      description: 'id of a Route 53 hosted zone; default the one that fits a name',
      field: ['zoneId'],
    },
  ],
  load: () => import('./solver.ts'),
});
