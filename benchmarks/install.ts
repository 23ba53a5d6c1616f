/** What an `npm install` of a package brings along. */
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installPacked, runPnpm, temporaryFolder } from 'certbus-services';
import type { Benchmark, Figure } from './figure.ts';

/** Packages by the names of their figures. */
const PACKAGES = { acme: '@certbus/acme', client: '@certbus/client', certbus: 'certbus' } as const;

const BYTES_A_MEGABYTE = 1_000_000;

/** Bytes of all files below a folder. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true });
  const sizes = await Promise.all(
    entries.map(async (entry) => {
      const file = await lstat(join(folder, entry));
      return file.isFile() ? file.size : 0;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** How many packages npm installed, by its own list. */
async function countPackages(modules: string): Promise<number> {
  const { packages } = JSON.parse(await readFile(join(modules, '.package-lock.json'), 'utf8')) as { packages: object };
  return Object.keys(packages).length;
}

const figureOf = (figure: string, value: number, unit: Figure['unit']): Figure => ({
  figure,
  value,
  unit,
  low: value,
  high: value,
  n: 1,
});

async function measure(figure: string, name: string): Promise<readonly Figure[]> {
  const temporary = temporaryFolder();
  try {
    await installPacked(name, temporary.path);
    const modules = join(temporary.path, 'node_modules');
    return [
      figureOf(`install.${figure}.packages`, await countPackages(modules), 'packages'),
      figureOf(`install.${figure}.megabytes`, (await sizeOf(modules)) / BYTES_A_MEGABYTE, 'MB'),
    ];
  } finally {
    temporary.remove();
  }
}

/** `install`: `npm install` of the packed package into an empty folder: packages, its own and ours among them, and megabytes. */
export const install: Benchmark = async () => {
  const filters = Object.values(PACKAGES).map((name) => `--filter=${name}...`);
  await runPnpm([...filters, 'run', 'build']);
  const figures: Figure[] = [];
  for (const [figure, name] of Object.entries(PACKAGES)) figures.push(...(await measure(figure, name)));
  return figures;
};
