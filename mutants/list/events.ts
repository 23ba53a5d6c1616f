/** Mutants of the event model: signatures, envelopes and sealed keys. */
import type { Mutant } from '../mutant.ts';

const CODEC = 'packages/events/src/history/codec.test.ts';
const VERIFY = 'packages/events/src/history/verify.test.ts';

const RENEWAL = 'packages/events/src/renewal.ts';
const RENEWAL_TEST = 'packages/events/src/renewal.test.ts';

export const events: readonly Mutant[] = [
  {
    fault: 'a root event is read without its envelope',
    file: 'packages/events/src/history/codec.ts',
    find: 'needsRoot.has(raw.type)',
    replace: 'false',
    noticedBy: [{ file: CODEC }],
  },
  {
    fault: 'a root event that is not signed is read',
    file: 'packages/events/src/history/verify.ts',
    find: '!isSignedByRoot(trust, root)',
    replace: 'false',
    noticedBy: [{ file: VERIFY }],
  },
  {
    fault: 'a root signature is good at any place in the sequence',
    file: 'packages/events/src/history/root-event.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
    find: '\\0${rootSequence}\\0',
    replace: '\\0',
    noticedBy: [{ file: VERIFY }],
  },
  {
    fault: 'a root signature is good on any bus',
    file: 'packages/events/src/history/root-event.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
    find: '\\0${busId}\\0',
    replace: '\\0',
    noticedBy: [{ file: VERIFY }],
  },
  {
    fault: 'where every signature is to be looked at, one a segment is',
    file: 'packages/events/src/history/segments.ts',
    find: 'everySignature ? from + 1 : rest.length',
    replace: 'rest.length',
    noticedBy: [{ file: VERIFY }],
  },
  {
    fault: 'a key that belongs to another leaf is given out',
    file: 'packages/events/src/sealed-key.ts',
    find: 'if (isKeyOf(leaf, privateKey)) return',
    replace: 'return',
    noticedBy: [{ file: 'packages/replica/src/vault/vault.test.ts' }],
  },
  {
    fault: 'certificates are renewed 30 days before their end, whatever their lifetime',
    file: RENEWAL,
    find: '(lifetime * 2) / 3)',
    replace: 'lifetime - 30 * DAY_MS)',
    noticedBy: [{ file: RENEWAL_TEST }],
  },
  {
    fault: "a renewal is put off beyond the emergency floor by the CA's word",
    file: RENEWAL,
    find: 'Math.min(wanted, floor)',
    replace: 'wanted',
    noticedBy: [{ file: RENEWAL_TEST }],
  },
];
