/** A bus of many certificates, of which some are real and in use, made once and kept in the user's cache folder. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestBus, type TestKeyType } from '@certbus/client/testing';
import { createFleet, createFleetKeys, fleetName } from './fleet.ts';
import { keepFolder } from './kept-folder.ts';

/** A certificate that is in use, with its key, PEM. */
export interface HotCertificate {
  readonly name: string;
  readonly certificate: string;
  readonly privateKey: string;
}

/** What load balancers and their peers are started with. */
export interface EdgeSite {
  /** Address of the bus. */
  readonly bus: string;
  readonly identity: string;
  readonly trust: string;
  /** Names that are in use, each with a certificate of its own. */
  readonly hot: readonly HotCertificate[];
  /** All names of the bus but that of the wildcard. */
  readonly names: readonly string[];
}

export interface EdgeSiteOptions {
  /** How many names the bus has. */
  readonly names: number;
  /** How many of them are in use. */
  readonly hot: number;
  readonly keyType: TestKeyType;
}

/** The name that every site has a certificate for. */
const WILDCARD = '*.flood.test';
const TOGETHER = 40;
const NAMES_PER_CERTIFICATE = 2;
const DAYS = 3_650;

/** The names of the certificates that nobody asks for. */
const coldNames = (certificates: number): string[] =>
  Array.from({ length: certificates }, (_, n) => fleetName(n)).flatMap((name) => [name, `www.${name}`]);

async function make(folder: string, { hot, keyType }: EdgeSiteOptions, cold: number): Promise<void> {
  const bus = await createTestBus({ address: `sqlite:${folder}/bus.db#edge` });
  const made: HotCertificate[] = [];
  for (let n = 0; n < hot; n += 1) {
    const name = `h${n}.bench.test`;
    const { certificate, privateKey } = await bus.issue([name], { keyType, days: DAYS });
    made.push({ name, certificate, privateKey });
  }
  await bus.issue([WILDCARD], { keyType, days: DAYS });
  const fleet = await createFleet({ certificates: cold, together: TOGETHER, keys: await createFleetKeys() });
  const obtained = [...fleet.obtained()];
  for (let from = 0; from < cold; from += TOGETHER) await bus.append(...obtained.slice(from, from + TOGETHER));
  await bus.close();
  const { identity, trust } = bus;
  writeFileSync(join(folder, 'site.json'), JSON.stringify({ identity, trust, hot: made }), { mode: 0o600 });
}

/** A bus of so many names: from the cache, or made, which takes a minute or two for 100,000. */
export async function prepareEdgeSite(options: EdgeSiteOptions): Promise<EdgeSite> {
  const { names, hot, keyType } = options;
  const cold = Math.max(0, Math.ceil((names - hot) / NAMES_PER_CERTIFICATE));
  const folder = await keepFolder(`edge-${names}-${hot}-${keyType}`, {
    make: (unfinished) => make(unfinished, options, cold),
  });
  const site: Pick<EdgeSite, 'identity' | 'trust' | 'hot'> = JSON.parse(
    readFileSync(join(folder, 'site.json'), 'utf8'),
  );
  return {
    ...site,
    bus: `sqlite:${folder}/bus.db#edge`,
    names: [...site.hot.map(({ name }) => name), ...coldNames(cold)],
  };
}
