/** Commands that change a bus, in the order in which an operator could type them, each on what the ones before left. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createIdentity, createManagerKey } from '@certbus/events';
import { createTlsIdentity } from 'certbus-services';
import { certbus, resultOf } from '../cli.builders.ts';
import { commitsOf } from '../site.builders.ts';
import { newFolder } from './site.builders.ts';
import { type Place, type Site, show } from './transcript.builders.ts';

/** What stands for the public key of the identity that is added. */
const RECIPIENT = 'RECIPIENT';
/** What stands for the id of the campaign that is started. */
const CAMPAIGN = 'CAMPAIGN';

/** Commands that write, and those that show what was written. */
const WRITING: readonly string[] = [
  'cert mk new.test',
  'cert renew shop.test --yes',
  'cert revoke new.test --yes',
  'cert rm new.test --yes',
  'cert export shop.test --out shop.pem',
  'cert import moved.pem',
  'campaign start --domain shop.test --yes',
  'campaign ls',
  `campaign cancel ${CAMPAIGN}`,
  `recipient add edge ${RECIPIENT} --yes`,
  'recipient ls',
  'recipient rm edge --yes',
  'manager add second --key second.pub --yes',
  'manager rm second --yes',
  'account register',
  'conf use ca',
  'alerts test',
  'bus archive',
  'bus snapshot',
  'bus export backup',
];

/** What a program reads of more of them, behind those: they print lines, and no table that a window could cut. */
const PIPED: readonly string[] = [
  'conf update < changed.json',
  'conf edit --yes',
  'recipient reseal keys --identity backup.key',
  'recipient reseal keys --append',
  'recipient rm backup --request remove.request',
  'root sign remove.request',
  'root sign remove.request --yes',
  'root append remove.request.signed',
  'manager expel second --since 4711 --dry-run',
  `campaign status ${CAMPAIGN}`,
  'bus verify',
  'bus repair --from backup --dry-run',
  'bus import backup --bus sqlite:./copy.db#certbus',
  'account deactivate ca',
  'bus bootstrap sqlite:./new.db#certbus',
  'bus restored',
];

/** What somebody does to the files of a site before a command. */
const BEFORE: Readonly<Record<string, (folder: string) => void>> = {
  'root append remove.request.signed': (folder) => cpSync(join(folder, 'bus.db'), join(folder, 'earlier.db')),
  'bus restored': (folder) => cpSync(join(folder, 'earlier.db'), join(folder, 'bus.db')),
};

/** They name days of the week, whose length moves the end of a line of 80 columns. */
const HAS_WEEKDAYS = /^campaign/;

/** What a copy of a site has besides, the same for all of them. */
export interface Given {
  readonly recipient: string;
  readonly managerPublic: string;
  readonly moved: string;
  /** A configuration for the site, as somebody wrote it into a file. */
  readonly configuration: string;
}

/** Draws keys, makes a certificate of another program, and changes the configuration of a site in a file. */
export async function drawGiven({ folder }: Site): Promise<Given> {
  const publicOf = (key: string) =>
    key
      .split('\n')
      .filter((line) => line.startsWith('# '))
      .join('\n');
  const [identity, managerKey, { certificate, key }] = await Promise.all([
    createIdentity(),
    createManagerKey(),
    createTlsIdentity(),
  ]);
  const recipient = /age1\S+/.exec(identity)?.[0] ?? '';
  const { position: _, ...stored } = resultOf(await certbus(folder, ['conf', 'display', '--json']));
  const configuration = JSON.stringify({ ...stored, giveUpAfterDays: 3 }, undefined, 2);
  return { recipient, managerPublic: publicOf(managerKey), moved: `${certificate}${key}`, configuration };
}

/** A copy of a site in a folder of its own. */
function copyOf(site: Site, given: Given): Site {
  const folder = newFolder();
  cpSync(site.folder, folder, { recursive: true });
  rmSync(join(folder, 'state'), { recursive: true, force: true });
  writeFileSync(join(folder, 'second.pub'), given.managerPublic);
  writeFileSync(join(folder, 'moved.pem'), given.moved, { mode: 0o600 });
  writeFileSync(join(folder, 'changed.json'), given.configuration);
  const local = JSON.parse(readFileSync(join(folder, 'certbus.json'), 'utf8'));
  writeFileSync(join(folder, 'certbus.json'), JSON.stringify({ ...local, archive: 'file:./archive' }));
  return { folder, known: new Map(site.known) };
}

/** Notes the ids that are on the bus now, in their order. */
async function learnIds({ folder, known }: Site): Promise<string | undefined> {
  const text = await commitsOf(folder);
  for (const [, id = ''] of text.matchAll(/"certificateId":"([\w-]{11})"/g))
    if (!known.has(id)) known.set(id, `certificat${known.size + 1}`);
  const campaign = /"campaignId":"([\w-]{11})"/.exec(text)?.[1];
  if (campaign !== undefined) known.set(campaign, 'campaign-id');
  return campaign;
}

/** Runs all commands at a place, on a copy of a site; yields a part for each. */
export async function* showWriting(site: Site, place: Place, given: Given): AsyncGenerator<string> {
  const copy = copyOf(site, given);
  copy.known.set(given.recipient, `age1${'q'.repeat(given.recipient.length - 4)}`);
  try {
    let campaign = '';
    for (const command of place === 'piped' ? [...WRITING, ...PIPED] : WRITING) {
      const words = command
        .split(' ')
        .map((word) => ({ [RECIPIENT]: given.recipient, [CAMPAIGN]: campaign })[word] ?? word);
      const learn = async () => {
        campaign = (await learnIds(copy)) ?? campaign;
      };
      BEFORE[command]?.(copy.folder);
      const part = await show(copy, place, words, { title: command.split(' '), learn });
      if (place !== 80 || !HAS_WEEKDAYS.test(command)) yield part;
    }
  } finally {
    rmSync(copy.folder, { recursive: true });
  }
}
