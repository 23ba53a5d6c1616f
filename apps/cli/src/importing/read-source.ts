/** Reads what a command names to import: files, or the folder of another program. */
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { readFile } from '@certbus/runtime/local';
import { CliError } from '../errors.ts';
import type { PemFile } from './formats/pem-files.ts';
import type { Passphrase } from './pem.ts';
import type { Reading } from './reading.ts';
import { openTree, type Tree } from './tree.ts';

/** What certificates can be imported from. */
export const IMPORT_FORMATS = ['pem', 'certbot', 'lego', 'caddy', 'traefik', 'acme.sh', 'cert-manager'] as const;

/** One of {@link IMPORT_FORMATS}. */
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** What is read, and how. */
export interface SourceOptions {
  /** Default: as it looks. */
  readonly format: ImportFormat | undefined;
  readonly passphrase: Passphrase;
}

type FolderFormat = Exclude<ImportFormat, 'traefik' | 'cert-manager'>;

/** What a folder looks like. */
async function folderFormat(tree: Tree): Promise<FolderFormat> {
  const [{ isCertbot }, { isLego }, { isCaddy }, { isAcmeSh }] = await Promise.all([
    import('./formats/certbot.ts'),
    import('./formats/lego.ts'),
    import('./formats/caddy.ts'),
    import('./formats/acme-sh.ts'),
  ]);
  if (isCertbot(tree)) return 'certbot';
  if (isCaddy(tree)) return 'caddy';
  if (isLego(tree)) return 'lego';
  return isAcmeSh(tree) ? 'acme.sh' : 'pem';
}

async function readFolder(tree: Tree, { format, passphrase }: SourceOptions): Promise<Reading> {
  switch (format ?? (await folderFormat(tree))) {
    case 'certbot':
      return (await import('./formats/certbot.ts')).readCertbot(tree);
    case 'lego':
      return (await import('./formats/lego.ts')).readLego(tree);
    case 'caddy':
      return (await import('./formats/caddy.ts')).readCaddy(tree);
    case 'acme.sh':
      return (await import('./formats/acme-sh.ts')).readAcmeSh(tree);
    case 'pem':
      return (await import('./formats/pem-files.ts')).readPemFolder(tree, passphrase);
    default:
      throw new CliError('CERTBUS_CLI_USAGE', `${tree.path} is a folder; ${format} is one file or more.`);
  }
}

/** A text as JSON; `undefined` where it is not. */
function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The documents of a text in YAML; none where it is not. */
async function asYaml({ source, text }: PemFile): Promise<readonly unknown[]> {
  const { parseAllDocuments } = await import('yaml');
  const documents = [parseAllDocuments(text)].flat();
  try {
    if (documents.every(({ errors }) => errors.length === 0))
      return documents.map((document) => document.toJS({ maxAliasCount: 0 }));
  } catch {
    // An alias, which Kubernetes does not write. The library quotes what it reads, which has private keys.
  }
  throw new CliError('CERTBUS_CLI_USAGE', `${source} is not YAML as kubectl prints it.`);
}

const LOOKS_LIKE_YAML = /^(?:- )?(?:apiVersion|kind):/m;

async function readFiles(files: readonly PemFile[], { format, passphrase }: SourceOptions): Promise<Reading> {
  const [{ isTraefik, readTraefik }, { isKubernetes, readCertManager }] = await Promise.all([
    import('./formats/traefik.ts'),
    import('./formats/cert-manager.ts'),
  ]);
  const [first] = files;
  const json = first && files.length === 1 ? asJson(first.text) : undefined;
  if (format === 'traefik' || (format === undefined && isTraefik(json))) return readTraefik(json);
  const isJson = json !== undefined && isKubernetes([json]);
  const isYaml = files.some(({ text }) => LOOKS_LIKE_YAML.test(text));
  if (format === 'cert-manager' || (format === undefined && (isJson || isYaml)))
    return readCertManager(isJson ? [json] : (await Promise.all(files.map(asYaml))).flat());
  if (format === undefined || format === 'pem')
    return (await import('./formats/pem-files.ts')).findPairs(files, passphrase);
  throw new CliError('CERTBUS_CLI_USAGE', `${first?.source} is a file; ${format} is a folder.`);
}

/** certbot's own folder, where somebody names one certificate in it: its files are links to others there. */
function certbotAbove(path: string): string | undefined {
  const real = realpathSync(path);
  const above = dirname(dirname(real));
  const isLive = basename(dirname(real)) === 'live' && statSync(`${above}/renewal`, { throwIfNoEntry: false });
  return isLive ? above : undefined;
}

/**
 * Reads one folder, or files that belong together. Throws `CERTBUS_CLI_USAGE` for a folder among others and for what is not of the named format,
 * `CERTBUS_CLI_FILE_UNREADABLE` for a file, and the error of the system for a folder that cannot be read.
 */
export async function readSource(paths: readonly string[], options: SourceOptions): Promise<Reading> {
  const [first = ''] = paths;
  const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!paths.some(isFolder)) {
    const files = paths.map((path) => ({ source: path, text: readFile(path, 'What is to be imported') }));
    return readFiles(files, options);
  }
  if (paths.length > 1)
    throw new CliError('CERTBUS_CLI_USAGE', 'Name one folder, or files that belong together, not both.');
  const above = certbotAbove(first);
  if (above === undefined) return readFolder(openTree(first), options);
  throw new CliError(
    'CERTBUS_CLI_USAGE',
    `${first} has only links to other files; name certbot's own folder: ${above}`,
  );
}
