/** A made-up DNS provider, as CONTRIBUTING says one is added, in a copy of the sources. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The folder `providers/pigeons`, whole. */
const FOLDER = {
  'settings.ts': `/** Settings of carrier pigeons in the configuration. */
import * as v from 'valibot';
import { httpUrl, nonEmpty, type Secret, secret, zones } from '../../definition/fields.ts';
import type { DnsSettings, SettingsSchema } from '../../definition/provider.ts';

/** Answers by carrier pigeons. */
export interface PigeonSettings extends Pick<DnsSettings, 'zones'> {
  readonly provider: 'pigeons';
  readonly url: string;
  readonly loft: string;
  readonly ring: Secret;
}

/** The schema of {@link PigeonSettings}. */
export const settings: SettingsSchema<PigeonSettings> = v.strictObject({
  zones,
  provider: v.literal('pigeons'),
  url: httpUrl,
  loft: nonEmpty,
  ring: secret,
});
`,
  'describe.ts': `/** Carrier pigeons in words: what "certbus provider show" prints and "certbus init" asks. */
import { urlFlag, zones } from '../../definition/descriptions.ts';
import { type DnsProvider, defineProvider } from '../../definition/provider.ts';
import { settings } from './settings.ts';

export const pigeons: DnsProvider = defineProvider({
  schema: settings,
  summary: 'carrier pigeons',
  fields: { zones, url: 'where they fly', loft: 'where they live', ring: 'what they are known by' },
  example: {
    zones: ['example.com'],
    provider: 'pigeons',
    url: 'https://pigeons.example.com',
    loft: 'attic',
    ring: { env: 'CERTBUS_SECRET_RING' },
  },
  flags: [
    urlFlag('Address of the pigeons:'),
    { name: 'dns-loft', description: 'name of the loft for {providers}', field: ['loft'], question: 'Name of the loft:' },
  ],
  load: () => import('./solver.ts'),
});
`,
  'solver.ts': `/** Answers dns-01 by carrier pigeons. */
import type { PresentedChallenge, Solver } from '@certbus/acme';
import type { Surroundings } from '../../definition/provider.ts';
import type { PigeonSettings } from './settings.ts';

/** The solver of settings in the configuration. Throws where a secret is not set. */
export function createFromSettings({ url, loft, ring }: PigeonSettings, { resolveSecret }: Surroundings): Solver {
  const headers = { authorization: \`\${loft} \${resolveSecret(ring)}\` };
  async function send(action: string, challenges: readonly PresentedChallenge[], signal: AbortSignal): Promise<void> {
    for (const { dnsName, dnsValue } of challenges) {
      const body = JSON.stringify({ dnsName, dnsValue });
      const { ok } = await fetch(new URL(action, url), { method: 'POST', headers, body, signal });
      if (!ok) throw new Error('the pigeon came back');
    }
  }
  return {
    challenges: ['dns-01'],
    present: (challenges, { signal }) => send('present', challenges, signal),
    async ready() {},
    cleanUp: (challenges, { signal }) => send('cleanup', challenges, signal),
  };
}
`,
};

/** What the made-up provider adds to the registry: its line in the list, and the import that the line needs. */
function register(registry: string): string {
  const list = /(PROVIDERS: readonly DnsProvider\[\] = \[\n(?:\s+\w+,\n)+)/;
  const line = registry.replace(list, '$1  pigeons,\n');
  if (line === registry) throw new Error('the registry has no list of providers');
  return `import { pigeons } from './providers/pigeons/describe.ts';\n${line}`;
}

/** Copies what the command line is made of into a folder, and adds the provider there; returns the path of the program. */
export function copyWithNewProvider(folder: string): string {
  // What a build left would answer in the place of the sources, with what it knew: the manifest has every flag.
  const isSource = (path: string) => !/^(dist|\.turbo|\.bin|oclif\.manifest\.json)$|\.test\.ts$/.test(basename(path));
  for (const part of ['packages', 'apps/cli', 'apps/example-server', 'tsconfig.json', 'tsconfig.base.json']) {
    // Packages find one another by relative links, so those of the copy lead to the copy.
    cpSync(join(ROOT, part), join(folder, part), { recursive: true, verbatimSymlinks: true, filter: isSource });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const solvers = join(folder, 'packages/solvers/src');
  mkdirSync(join(solvers, 'providers/pigeons'));
  for (const [name, text] of Object.entries(FOLDER)) writeFileSync(join(solvers, 'providers/pigeons', name), text);
  const registry = join(solvers, 'registry.ts');
  writeFileSync(registry, register(readFileSync(registry, 'utf8')));
  return join(folder, 'apps/cli/bin/dev.js');
}
