/** Mutants of what runs on AWS: policies, checkpoints, references to secrets. */
import type { Mutant } from '../mutant.ts';

const POLICIES_TEST = 'apps/lambda/src/policies/policies.test.ts';
const CHECKPOINT = 'packages/runtime/src/checkpoint.ts';
const KEEPING = 'packages/runtime/src/keeping.ts';
const CHECKPOINT_TEST = 'packages/runtime/src/checkpoint.int.test.ts';

export const lambda: readonly Mutant[] = [
  {
    fault: 'a policy allows a request that carries none of the keys of its condition',
    file: 'apps/lambda/src/policies/document.ts',
    find: "keys.map((key) => [key, 'false'])",
    replace: "keys.slice(1).map((key) => [key, 'false'])",
    noticedBy: [{ file: POLICIES_TEST }],
  },
  {
    fault: 'a checkpoint does not become the floor of the next start',
    file: CHECKPOINT,
    find: 'trust: kept && isLater(kept, own) ? kept : own',
    replace: 'trust: own',
    noticedBy: [{ file: CHECKPOINT_TEST }],
  },
  {
    fault: 'a checkpoint is put back by a run that read less than another',
    file: CHECKPOINT,
    find: 'if (!current || isLater(next, current)) await place.write',
    replace: 'await place.write',
    noticedBy: [{ file: CHECKPOINT_TEST }],
  },
  {
    fault: 'the checkpoint of another bus is taken',
    file: CHECKPOINT,
    find: 'kept.busId !== busId || kept.rootKey !== rootKey',
    replace: 'kept.rootKey !== rootKey',
    noticedBy: [{ file: CHECKPOINT_TEST }],
  },
  {
    fault: 'a manager that could have been shown a shorter bus keeps that as known',
    file: KEEPING,
    find: 'if (staleSince) return;',
    replace: '',
    noticedBy: [{ file: CHECKPOINT_TEST }],
  },
  {
    fault: 'a daemon that is killed has kept nothing of how far it has read',
    file: 'packages/runtime/src/daemon/daemon.ts',
    find: 'void keep();',
    replace: '',
    noticedBy: [{ file: 'packages/runtime/src/daemon/daemon.int.test.ts', only: 'has kept how far' }],
  },
  {
    fault: 'a command that only looks takes a log that was cut off below the checkpoint',
    file: 'packages/runtime/src/open-bus.ts',
    find: 'known ?? (await readKnownTrust(environment, { signal }))',
    replace: 'known ?? { trust: parseTrust(config.trust) }',
    noticedBy: [{ file: 'apps/cli/src/floor.int.test.ts', only: 'keeps how far it read in a file' }],
  },
  {
    fault: 'a function takes a key that is in its variables, where others read it',
    file: 'packages/runtime/src/environment.ts',
    find: 'plain.filter((name) => KEY_VARIABLES.includes(name))',
    replace: '[]',
    noticedBy: [{ file: 'apps/lambda/src/invocation.test.ts' }],
  },
  {
    fault: 'an archive that hangs keeps an invocation from its end',
    file: KEEPING,
    find: 'await archiveNotes(notes, { place, busId, signal })',
    replace: 'await archiveNotes(notes, { place, busId })',
    noticedBy: [{ file: 'packages/runtime/src/keeping.test.ts' }],
  },
  {
    fault: 'a run ends with its invocation, and nothing is released before that',
    file: 'apps/lambda/src/invocation.ts',
    find: 'Math.max(leftMs - RELEASE_MS, leftMs / 2)',
    replace: 'leftMs',
    noticedBy: [{ file: 'apps/lambda/src/invocation.test.ts' }],
  },
  {
    fault: 'credentials that another program renewed in their file are not read again',
    file: 'packages/store/src/aws-again.ts',
    find: '{ ignoreCache: true }',
    replace: '{}',
    noticedBy: [{ file: 'packages/store/src/aws-again.test.ts' }],
  },
  {
    fault: 'a table is taken without point-in-time recovery where these credentials may not look',
    file: 'packages/store/src/adapters/dynamodb/protection.ts',
    find: 'if (isDenied(error)) return undefined;',
    replace: 'if (isDenied(error)) return true;',
    noticedBy: [{ file: 'packages/store/src/adapters/dynamodb/denied.int.test.ts', only: 'backups in silence' }],
  },
  {
    fault: 'the error of a long run is known when the period of its alarm is over',
    file: 'apps/lambda/src/template/resources.ts',
    find: 'Period: 3_600',
    replace: 'Period: 300',
    noticedBy: [{ file: 'apps/lambda/src/template/template.test.ts' }],
  },
  {
    fault: 'what is not a reference is quoted, and could be a secret',
    file: 'packages/runtime/src/secrets/reference.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
    find: 'though it begins like one: ${why}.',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
    replace: 'though it begins like one: ${text} ${why}.',
    noticedBy: [{ file: 'packages/runtime/src/secrets/reference.test.ts' }],
  },
  {
    fault: 'the version of a parameter stays in its ARN, which then fits no parameter',
    file: 'apps/lambda/src/policies/place.ts',
    find: ".replace(VERSION, '')",
    replace: '',
    noticedBy: [{ file: POLICIES_TEST }],
  },
  {
    fault: 'the policy for a secret by its ARN allows others whose ARN begins with it',
    file: 'apps/lambda/src/policies/place.ts',
    find: 'if (isArn && SUFFIX.test(name)) return name;',
    replace: '',
    noticedBy: [{ file: POLICIES_TEST }],
  },
  {
    fault: 'notes of the archive take the place of newer ones of this machine',
    file: 'packages/manager/src/renewal/renewal-info-archive.ts',
    find: 'if (!notes.isEmpty()) return;',
    replace: '',
    noticedBy: [{ file: 'packages/manager/src/renewal/renewal-info-archive.test.ts' }],
  },
];
