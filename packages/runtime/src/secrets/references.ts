/** The secrets that a program's environment refers to: each is read once, when it is needed. */
import type { Outgoing } from '@certbus/store/outgoing';
import { readFromAws } from './aws.ts';
import { isReference, parseReference } from './reference.ts';

/** Reads secrets, and remembers those that it has read. What failed is read again when it is asked for again. */
export interface References {
  /**
   * The secret that a text refers to; the text itself where it is not a reference. Rejects as `parseReference` throws and as `readFromAws`.
   *
   * @param what names the secret in errors, such as `The manager key`.
   */
  read(text: string, options: { readonly what: string; readonly signal?: AbortSignal | undefined }): Promise<string>;
  /**
   * What the last {@link References.read} of a reference found or failed with; what failed is read again for the next call, since a service may run for
   * months. Throws a `TypeError` where there was none.
   */
  known(text: string): string;
}

type Outcome = { readonly text: string } | { readonly error: unknown; readonly what: string };

/** Nothing is read yet. */
export function createReferences({
  outgoing,
}: {
  /** The way to AWS through a proxy. Default: the direct one. */
  readonly outgoing?: Pick<Outgoing, 'agents'> | undefined;
}): References {
  const outcomes = new Map<string, Outcome>();
  const references: References = {
    async read(text, { what, signal }) {
      if (!isReference(text)) return text;
      const before = outcomes.get(text);
      if (before && 'text' in before) return before.text;
      try {
        const found = await readFromAws(parseReference(text, what), { what, outgoing, signal });
        outcomes.set(text, { text: found });
        return found;
      } catch (error) {
        outcomes.set(text, { error, what });
        throw error;
      }
    },
    known(text) {
      const outcome = outcomes.get(text);
      if (!outcome) throw new TypeError('This reference to a secret was not read.');
      if ('text' in outcome) return outcome.text;
      references.read(text, { what: outcome.what, signal: undefined }).catch(() => {});
      throw outcome.error;
    },
  };
  return references;
}
