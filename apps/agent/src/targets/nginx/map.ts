/** nginx's map from server names to certificate files, for nginx without njs or Lua. */
import type { NextContents } from '../files/certificate-folder.ts';
import { DEFAULT_NAME } from '../files/layouts.ts';
import type { Manifest, ManifestEntry } from '../files/manifest.ts';

/** The map's file. */
const FILE = 'map.conf';
/** Longest name in DNS, and the size of the map's hash that fits it. */
const BUCKET = 512;
const SAFE = /^[a-z0-9*._:-]+$/i;

/** The file for each name: of several the one that ends last, of those the last by id. */
function namesOf({ certificates }: Pick<Manifest, 'certificates'>): Map<string, string> {
  const names = new Map<string, string>();
  const keyOf = ([id, { notAfter }]: [string, ManifestEntry]) => `${notAfter} ${id}`;
  const inOrder = Object.entries(certificates).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  for (const [, { names: own, name }] of inOrder)
    for (const each of own) if (SAFE.test(each)) names.set(each.toLowerCase(), name);
  return names;
}

/**
 * The map, `$certbus_file` by `$ssl_server_name`. It leads into the folder of one version, so that a worker reads chain and key of one change:
 * the reload that reads the map is the step from one version to the next.
 */
export const nginxMap: NextContents['shared'] = (manifest, folder) => {
  const fileOf = (name: string) => `"${folder}/${name}.pem"`;
  const lines = [...namesOf(manifest)].map(([name, file]) => `  "${name}" ${fileOf(file)};\n`);
  const otherwise = manifest.defaultId === undefined ? '' : `  "" ${fileOf(DEFAULT_NAME)};\n`;
  const text = `map_hash_bucket_size ${BUCKET};
map_hash_max_size ${Math.max(2_048, 2 * lines.length)};
map $ssl_server_name $certbus_file {
  hostnames;
  default "";
${otherwise}${lines.join('')}}
`;
  return [{ path: FILE, content: text, isSecret: false }];
};
