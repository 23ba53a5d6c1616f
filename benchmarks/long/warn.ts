/** Part of the linter: warns where the page of the long tests is older than what they measure. It fails nothing, since they take hours. */
import { changesSince } from './commit.ts';
import { readSections } from './document.ts';

for (const [part, section] of readSections()) {
  const [, commit] = /^Measured .* at commit ([0-9a-f]{12})/m.exec(section) ?? [];
  const changes = commit === undefined ? undefined : changesSince(commit);
  if (changes === undefined || changes === 0) continue;
  console.warn(
    `warning: docs/long-tests.md shows "${part}" at commit ${commit}, and what it measures changed in ${changes} commits since. If that matters: npm run test:long -- ${part}`,
  );
}
