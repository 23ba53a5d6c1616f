/** nginx's map from server names to certificate files, for nginx without njs or Lua. */
import type { NextContents } from '../files/certificate-folder.ts';
import { DEFAULT_NAME } from '../files/layouts.ts';
import type { Manifest } from '../files/manifest.ts';
import { leadersOf, type Ranking } from '../ranking.ts';

/** The map's file. */
const FILE = 'map.conf';
/** Longest name in DNS, and the size of the map's hash that fits it. */
const BUCKET = 512;
const SAFE = /^[a-z0-9*._:-]+$/i;

/** The file for each name: of several that of the certificate that ranks first. */
function namesOf({ certificates }: Pick<Manifest, 'certificates'>, ranking: Ranking): Map<string, string> {
  const all = Object.entries(certificates).map(([certificateId, { names }]) => ({ certificateId, names }));
  const names = new Map<string, string>();
  for (const [name, id] of leadersOf(all, ranking))
    if (SAFE.test(name)) names.set(name.toLowerCase(), certificates[id]?.name ?? id);
  return names;
}

/**
 * The map, `$certbus_file` by `$ssl_server_name`. It leads into the folder of one version, so that a worker reads chain and key of one change:
 * the reload that reads the map is the step from one version to the next.
 */
export const nginxMap =
  (ranking: Ranking): NextContents['shared'] =>
  (manifest, folder) => {
    const fileOf = (name: string) => `"${folder}/${name}.pem"`;
    const lines = [...namesOf(manifest, ranking)].map(([name, file]) => `  "${name}" ${fileOf(file)};\n`);
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
