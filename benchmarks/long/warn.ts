/** Part of the linter: warns where the page of the long tests is older than what they measure. It fails nothing, since they take hours. */
import { changesSince, isShallow } from './commit.ts';
import { readSections } from './document.ts';
import { warningOf } from './warning.ts';

for (const [part, section] of readSections()) {
  const warning = warningOf(part, section, { changesSince, isShallow: isShallow() });
  if (warning !== undefined) console.warn(warning);
}
