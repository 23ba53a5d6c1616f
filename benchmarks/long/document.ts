import { readFileSync, writeFileSync } from 'node:fs';

const PLACE = new URL('../../docs/long-tests.md', import.meta.url);
const HEAD = `# Long tests

\`npm run test:long\` takes minutes and is no part of \`npm test\`. This page is written by it, each section by one part:
\`npm run test:long -- mass-renewal\`.
`;

/** Puts a part's section in the place of its last one; the other parts' stay. */
export function publish(part: string, section: string): void {
  const [, ...marked] = readFileSync(PLACE, 'utf8').split(/^<!-- part: /m);
  const sections = new Map(
    marked.map((text) => {
      const end = text.indexOf(' -->\n');
      return [text.slice(0, end), text.slice(end + 5).trim()] as const;
    }),
  );
  sections.set(part, section.trim());
  const all = [...sections].map(([name, text]) => `\n<!-- part: ${name} -->\n${text}\n`);
  writeFileSync(PLACE, HEAD + all.join(''));
}
