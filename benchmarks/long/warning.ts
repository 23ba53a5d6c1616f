/** Whether a section of the page of the long tests is old. */

/** What the history knows of commits. */
export interface History {
  /** How many commits changed what is measured since one; `undefined` for one that is not in the history. */
  readonly changesSince: (commit: string) => number | undefined;
  /** Whether only the end of the history is here, so that nothing is known of older commits. */
  readonly isShallow: boolean;
}

/** What the linter warns of a part's section; `undefined` where it is as new as what it measures, or that is not known. */
export function warningOf(part: string, section: string, { changesSince, isShallow }: History): string | undefined {
  const [, commit] = /^Measured .* at commit ([0-9a-f]{12})/m.exec(section) ?? [];
  const again = `If that matters: npm run test:long -- ${part}`;
  if (commit === undefined)
    return `warning: docs/long-tests.md does not say at which commit "${part}" was measured. ${again}`;
  const changes = changesSince(commit);
  if (changes === 0 || (changes === undefined && isShallow)) return undefined;
  if (changes === undefined)
    return `warning: docs/long-tests.md shows "${part}" at commit ${commit}, which is not in the history, so that its age is not known. ${again}`;
  return `warning: docs/long-tests.md shows "${part}" at commit ${commit}, and what it measures changed in ${changes} commits since. ${again}`;
}
