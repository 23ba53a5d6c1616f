/** The licence texts of the packages whose code is in the bundle: their licences ask that each copy has them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Up to the folder of a package in `node_modules`. */
const PACKAGE = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/s;
const TEXT = /^(?:licen[cs]e|copying|notice)(?:[-.].*)?$/i;

const APACHE = fileURLToPath(new URL('../../../../LICENSE', import.meta.url));

const HEAD = `The JavaScript files next to this one have code of other packages in them, minified.
Each package is named here with its version, and followed by the text of its licence.
`;

/** The folders of packages that some files are of, in order; files of no package are left out. */
function packagesOf(files: readonly string[]): readonly string[] {
  const folders = files.flatMap((file) => PACKAGE.exec(file.replaceAll('\\', '/'))?.[0] ?? []);
  return [...new Set(folders)].toSorted();
}

/** What the manifest of a package says, as far as it is used here. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

const read = (file: string): string => readFileSync(file, 'utf8').trim();

/** Name and version of a package, and what its licence files say. Throws where it has none, unless it names the licence of this repository. */
function readPackage(folder: string): { readonly title: string; readonly text: string } {
  const { name, version, license }: Manifest = JSON.parse(read(join(folder, 'package.json')));
  const title = `${name} ${version}`;
  const files = readdirSync(folder).filter((file) => TEXT.test(file));
  if (files.length > 0)
    return {
      title,
      text: files
        .toSorted()
        .map((file) => read(join(folder, file)))
        .join('\n\n'),
    };
  // Some packages of AWS name it and do not have its text.
  if (license === 'Apache-2.0') return { title, text: read(APACHE) };
  throw new Error(`${title} is bundled and has no licence file: ${folder}`);
}

/** One text with the licences of all packages that some files are of; packages with the same text share it. Throws for a package without one. */
export function licencesOf(files: readonly string[]): string {
  const described = packagesOf(files).map(readPackage);
  const sections = [...Map.groupBy(described, ({ text }) => text)].map(([text, packages]) => {
    const titles = [...new Set(packages.map(({ title }) => title))].toSorted();
    return `\n${'='.repeat(79)}\n${titles.join('\n')}\n${'-'.repeat(79)}\n\n${text}\n`;
  });
  return `${HEAD}${sections.join('')}`;
}
