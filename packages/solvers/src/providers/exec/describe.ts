/** A program of the machine in words: what `certbus provider show` prints and `certbus init` asks. */
import { lookup } from '../../definition/descriptions.ts';
import { type DnsProvider, defineProvider } from '../../definition/provider.ts';
import { settings } from './settings.ts';

export const exec: DnsProvider = defineProvider({
  schema: settings,
  summary: 'a program of this machine: your own, or one for lego, certbot or acme.sh',
  fields: { ...lookup, program: 'its name under "programs" in certbus.json, which defines it' },
  example: { zones: ['example.com'], provider: 'exec', program: 'my-dns' },
  flags: [
    {
      name: 'dns-program',
      description: 'name of the program for {providers}',
      field: ['program'],
      question: 'Name of the program, for "programs" in certbus.json:',
    },
  ],
  toDo: ({ program }) => `"${program}" has to be defined under "programs" in certbus.json`,
  load: () => import('./solver.ts'),
});
