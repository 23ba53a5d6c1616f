import { parseArgs } from 'node:util';
import { forgetUserSettings } from '../user-settings.ts';
import { publish } from './document.ts';
import { massRenewal } from './mass-renewal.ts';
import { massRevocation } from './mass-revocation/part.ts';
import { million } from './million.ts';
import { millionDay } from './million-day.ts';
import type { Part } from './part.ts';
import { shortLived } from './short-lived/part.ts';
import { soak } from './soak.ts';

/** `npm run test:long -- [PART...] [--certificates N]`: runs the long tests, all or those that are named, and publishes full-sized ones. */
const PARTS: Readonly<Record<string, Part>> = {
  million,
  'million-day': millionDay,
  'mass-renewal': massRenewal,
  'mass-revocation': massRevocation,
  'short-lived': shortLived,
  soak,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { certificates: { type: 'string' } },
});
const unknown = positionals.filter((name) => !Object.hasOwn(PARTS, name));
if (unknown.length > 0)
  throw new TypeError(`No such part: ${unknown.join(', ')}. There are ${Object.keys(PARTS).join(', ')}.`);

forgetUserSettings();
for (const [name, { certificates, publishedFrom, run }] of Object.entries(PARTS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const size = Number(values.certificates ?? certificates);
  const { section, problems } = await run(size);
  console.log(section);
  if (size >= publishedFrom) publish(name, section);
  for (const problem of problems) console.error(`FAILED: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
}
