/** The entries of nginx's map from server names to certificate files, for nginx without njs or Lua. */
import { relative } from 'node:path';
import type { NextContents } from '../files/certificate-folder.ts';
import { DEFAULT_NAME } from '../files/layouts.ts';
import type { Manifest } from '../files/manifest.ts';
import { leadersOf, type Ranking } from '../ranking.ts';

/** The file of the entries, below `current`. */
export const MAP_FILE = 'names.map';
/** The variable that the maps make of `$ssl_server_name`. */
const FILE = '$certbus_file';
const SAFE = /^[a-z0-9*._:-]+$/i;
/** What a map takes for parameters, and not for names, unless there is a backslash in front. */
const PARAMETERS: ReadonlySet<string> = new Set(['default', 'hostnames', 'include', 'volatile']);
const inMap = (name: string): string => (PARAMETERS.has(name) ? `\\${name}` : name);

/** The file for each name: of several that of the certificate that ranks first. */
function namesOf({ certificates }: Pick<Manifest, 'certificates'>, ranking: Ranking): Map<string, string> {
  const all = Object.entries(certificates).map(([certificateId, { names }]) => ({ certificateId, names }));
  const names = new Map<string, string>();
  for (const [name, id] of leadersOf(all, ranking))
    if (SAFE.test(name)) names.set(name.toLowerCase(), certificates[id]?.name ?? id);
  return names;
}

/**
 * What nginx's own configuration has for a folder: the blocks for "http", and the lines for each server. All are root's. nginx reads the agent's entries
 * as root, and inside the blocks it takes them for nothing but entries (`ngx_http_map_module`). The folder before the variable makes each value a file:
 * by itself `engine:` would load a library into nginx (`ssl_certificate_key` of `ngx_http_ssl_module`).
 *
 * The entries are read twice: for the name itself, and for the wildcard right above it. `hostnames` of a map would show a wildcard's certificate also for
 * names several labels below it, for which it is not (RFC 9525 section 6.3).
 */
export const mapBlocks = (folder: string): { readonly http: string; readonly server: string } => ({
  // Sizes for the longest name in DNS and for tens of thousands of names.
  http: `map_hash_bucket_size 512;
map_hash_max_size 65536;
map $ssl_server_name $certbus_name {
  default $ssl_server_name;
  "~^(?<certbus_whole>.+)\\.$" $certbus_whole;
}
map $certbus_name $certbus_wildcard {
  default "-";
  "~^[^.]+(?<certbus_rest>\\..+)$" "*$certbus_rest";
}
map $certbus_wildcard $certbus_wildcard_file {
  default "";
  include ${folder}/current/${MAP_FILE};
}
map $certbus_name ${FILE} {
  default $certbus_wildcard_file;
  include ${folder}/current/${MAP_FILE};
}`,
  server: `ssl_certificate ${folder}/${FILE};
ssl_certificate_key ${folder}/${FILE};`,
});

/**
 * The entries, from server names to files below the target's folder. They lead into the folder of one version, so that a worker reads chain and key of
 * one change: the reload that reads the entries is the step from one version to the next.
 *
 * @param root the target's folder.
 */
export const nginxMap =
  (root: string) =>
  (ranking: Ranking): NextContents['shared'] =>
  (manifest, folder) => {
    const fileOf = (name: string) => `"${relative(root, folder)}/${name}.pem"`;
    const lines = [...namesOf(manifest, ranking)].map(([name, file]) => `"${inMap(name)}" ${fileOf(file)};\n`);
    const otherwise = manifest.defaultId === undefined ? '' : `"" ${fileOf(DEFAULT_NAME)};\n`;
    return [{ path: MAP_FILE, content: `${otherwise}${lines.join('')}`, isSecret: false }];
  };
