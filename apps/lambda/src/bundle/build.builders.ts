/** Builds the bundle of the function from its sources: `node --conditions=certbus:source build.builders.ts` writes `dist/lambda.zip`. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { BUNDLE } from './index.ts';
import { licencesOf } from './licences.builders.ts';
import { createZip, type ZipFile } from './zip.ts';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The modules that Lambda loads, and the thread that writes the replica, which Node loads by its file. */
const ENTRIES = {
  index: at('./entry.ts'),
  acm: at('./acm-entry.ts'),
  'thread.worker': at('../../../../packages/replica/src/writer/thread.worker.ts'),
};

/** The file of the bundle with the licences of what is in it. */
const LICENCES = 'THIRD-PARTY.txt';

/** Some dependencies call `require`, which modules do not have. */
const REQUIRE =
  "import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url);";

/** The files of the bundle. What is not needed by each run, such as the solvers of other DNS hosts, is in modules of its own. */
export async function buildFiles(): Promise<readonly ZipFile[]> {
  const outdir = at('../../dist/bundle');
  const { outputFiles, metafile } = await build({
    entryPoints: ENTRIES,
    outdir,
    write: false,
    bundle: true,
    splitting: true,
    minify: true,
    platform: 'node',
    target: 'node22',
    format: 'esm',
    conditions: ['certbus:source', 'module'],
    // The AWS SDK as modules, of which what is not used is left out.
    mainFields: ['module', 'main'],
    banner: { js: REQUIRE },
    // In a file of their own, whole.
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });
  const files = outputFiles.map(({ path, contents }) => ({ name: relative(outdir, path), bytes: contents }));
  const bundled = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? resolve(file) : [])),
  );
  return [
    ...files,
    { name: 'package.json', bytes: Buffer.from('{ "type": "module" }\n') },
    { name: LICENCES, bytes: Buffer.from(licencesOf(bundled)) },
  ];
}

if (import.meta.main) {
  mkdirSync(dirname(BUNDLE), { recursive: true });
  // Whole or not at all: another process may be about to copy it.
  const unfinished = `${BUNDLE}.${process.pid}`;
  writeFileSync(unfinished, createZip(await buildFiles()));
  renameSync(unfinished, BUNDLE);
}
