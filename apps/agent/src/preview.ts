/** What the agent would do, without doing it. */
import type { Candidate, CertificateSummary, MaterialSource } from '@certbus/client/material';
import { catchUp, openCertificates } from './certificates.ts';
import type { ResolvedConfiguration } from './configuration/read-configuration.ts';
import { claimOf } from './reconcile/claim.ts';
import { allDesired, bestFor, chooseDefault, type Desired, sortUndesired } from './reconcile/desired.ts';
import { isSelected } from './reconcile/selection.ts';
import { stateDirectoryFor } from './state-directory.ts';
import { resolveAccess } from './targets/files/access.ts';
import { closedTo } from './targets/files/reach.ts';
import { createLateTarget } from './targets/late-target.ts';
import type { Ranking } from './targets/ranking.ts';
import type { Held } from './targets/target.ts';

/** What a look at one target found. */
export interface TargetPreview {
  readonly name: string;
  /** Sentences about what stands in the way. */
  readonly problems: readonly string[];
  /** Names of the certificates that would be put. */
  readonly put: readonly (readonly string[])[];
  /** Ids of those that would be removed. */
  readonly remove: readonly string[];
  /** How many are in place already. */
  readonly inPlace: number;
  /** Whether all that is in place is in effect as well; false where the target cannot be asked. */
  readonly isInEffect: boolean;
  /** Sentences about what its settings name and the bus does not have, or not yet, and about folders that its group cannot enter. */
  readonly notes: readonly string[];
}

/** What a target holds that cannot be asked. */
const NOTHING: Held = { leafHashes: new Map(), defaultId: undefined, isInEffect: false };

/** What a look at bus and targets found. */
export interface Preview {
  readonly position: number;
  /** Whether the bus has answered. */
  readonly live: boolean;
  /** What stands between this machine and the bus. */
  readonly trouble: string | undefined;
  /** Ids of certificates whose key does not open here. */
  readonly unopened: readonly string[];
  readonly targets: readonly TargetPreview[];
}

/** Whether the key of a certificate's current leaf opens here; that of one before it can be what opens. */
async function isOpened(
  source: MaterialSource,
  { certificateId, names, leafHash }: CertificateSummary,
): Promise<boolean> {
  const material = await source.material(certificateId);
  if (material?.issued.leafHash === leafHash) return true;
  const isCurrent = (candidate: Candidate) =>
    candidate.certificateId === certificateId && candidate.issued.leafHash === leafHash;
  const current = source.ranking(names[0] ?? '').candidates.find(isCurrent);
  // One that is not valid yet does not rank.
  if (!current) return material !== undefined;
  return source.open(current).then(
    () => true,
    () => false,
  );
}

type Settings = ResolvedConfiguration['targets'][number];

/** Why the group of a target's files does not get to them. HAProxy reads its files as root, and is in none. */
async function reachNotes(settings: Settings, own: string): Promise<string[]> {
  if ((settings.type !== 'files' && settings.type !== 'nginx-files') || settings.group === undefined) return [];
  const { folder, group } = settings;
  try {
    const { gid } = await resolveAccess({ group });
    return gid === undefined ? [] : [closedTo(folder, { gid, group, own }) ?? []].flat();
  } catch {
    // A group or folder that cannot be asked for is a problem of the target.
    return [];
  }
}

/** Names and ids of a target's settings for which there is nothing: they may be mistyped. */
function notesOn(
  { type, certificates = {}, default: defaultName }: Pick<Settings, 'type' | 'certificates' | 'default'>,
  { desired, defaultId }: { readonly desired: ReadonlyMap<string, Desired>; readonly defaultId: string | undefined },
): string[] {
  const { ids = [], names = [] } = certificates;
  const all = [...desired.values()];
  const unused = [
    ...ids.filter((id) => !desired.has(id)),
    ...names.filter((name) => !all.some((each) => isSelected(each, { names: [name] }))),
  ];
  const notes = unused.map((each) => `No certificate of the bus is selected by "${each}".`);
  if (defaultName === undefined || defaultId !== undefined) return notes;
  const what = `No certificate of this target can be shown for its default, "${defaultName}": clients that name no server get none.`;
  if (type !== 'haproxy' || desired.size > 0) return [...notes, what];
  const start =
    'HAProxy does not start with a list without a certificate, unless its "bind" line has "strict-sni": add the line of this list once there is a certificate.';
  return [...notes, what, start];
}

async function look(
  settings: Settings,
  { source, stateDirectory }: { readonly source: MaterialSource; readonly stateDirectory: string },
  signal: AbortSignal,
): Promise<TargetPreview> {
  const target = createLateTarget(settings);
  try {
    const problems = await target.problems(signal).catch((error: Error) => [error.message]);
    const options = { source, selection: settings.certificates ?? {}, now: () => new Date() };
    const desired = allDesired(options);
    const ranking: Ranking = {
      bestFor: (name, isAmong) => bestFor(source, name, (id) => desired.has(id) && isAmong(id)),
    };
    const found = await target.held({ wanted: desired, ...ranking }, signal).catch(() => NOTHING);
    const { leafHashes: held, outdated } = found;
    const put = [...desired.values()].filter(
      ({ certificateId: id, leafHash }) => held.get(id) !== leafHash || outdated?.has(id) === true,
    );
    const defaultId = settings.default && (await chooseDefault(source, settings.default, { desired, held }));
    const undesired = [...held.keys()].filter((id) => !desired.has(id));
    const { remove } = await sortUndesired(undesired, options);
    return {
      name: target.name,
      problems: [...problems, claimOf(settings, stateDirectory)?.problem() ?? []].flat(),
      put: put.map(({ names }) => names),
      remove,
      inPlace: desired.size - put.length,
      isInEffect: found.isInEffect && found.defaultId === defaultId,
      notes: [...notesOn(settings, { desired, defaultId }), ...(await reachNotes(settings, stateDirectory))],
    };
  } finally {
    await target.close();
  }
}

/** Looks at the bus, the identity and every target; changes nothing but the replica. Rejects as `openCertificates`. */
export async function preview(configuration: ResolvedConfiguration, signal: AbortSignal): Promise<Preview> {
  const source = await openCertificates(configuration, { signal });
  // What raises an alarm is part of what is found.
  source.on('alarm', () => {});
  try {
    // With a replica it opens before the bus has answered.
    await catchUp(source, signal);
    const unopened: string[] = [];
    for (const summary of source.certificates())
      if (!(await isOpened(source, summary))) unopened.push(summary.certificateId);
    const targets: TargetPreview[] = [];
    const stateDirectory = stateDirectoryFor(configuration);
    for (const settings of configuration.targets)
      targets.push(await look(settings, { source, stateDirectory }, signal));
    const { position, live, trouble } = source.health();
    return { position, live, trouble: trouble?.message, unopened, targets };
  } finally {
    await source.close();
  }
}
