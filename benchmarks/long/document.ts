/** The page of the long tests, docs/long-tests.md. */
import { readFileSync, writeFileSync } from 'node:fs';

const PLACE = new URL('../../docs/long-tests.md', import.meta.url);
const HEAD = `# Long tests

\`npm run test:long\` takes hours and is not a part of \`npm test\`. Anyone who changes what it measures runs it. It writes this page, each
section by one part, \`npm run test:long -- mass-renewal\`, with the commit that it measured.
`;

/** The sections of the page, by the part that wrote each. */
export function readSections(): Map<string, string> {
  const [, ...marked] = readFileSync(PLACE, 'utf8').split(/^<!-- part: /m);
  return new Map(
    marked.map((text) => {
      const end = text.indexOf(' -->\n');
      return [text.slice(0, end), text.slice(end + 5).trim()] as const;
    }),
  );
}

/** Puts a part's section in the place of its last one; the other parts' stay. */
export function publish(part: string, section: string): void {
  const sections = readSections();
  sections.set(part, section.trim());
  const all = [...sections].map(([name, text]) => `\n<!-- part: ${name} -->\n${text}\n`);
  writeFileSync(PLACE, HEAD + all.join(''));
}
