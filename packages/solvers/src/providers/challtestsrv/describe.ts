/** The sandbox's DNS server in words: what `certbus provider show` prints and `certbus init` asks. */
import { urlFlag, zones } from '../../definition/descriptions.ts';
import { type DnsProvider, defineProvider } from '../../definition/provider.ts';
import { settings } from './settings.ts';

export const challTestSrv: DnsProvider = defineProvider({
  schema: settings,
  summary: "the sandbox's DNS server, never for real names",
  fields: { zones, url: 'its management address' },
  example: { zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:8055' },
  flags: [urlFlag('Management address of the DNS server:')],
  isForTests: true,
  load: () => import('./solver.ts'),
});
