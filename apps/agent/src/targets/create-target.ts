/** Makes the targets of a configuration: one line for each type. */
import type { NamedTarget } from '../configuration/read-configuration.ts';
import { resolveAccess } from './files/access.ts';
import { createFilesTarget } from './files/files.ts';
import { createHaproxyTarget } from './haproxy/haproxy.ts';
import type { Target } from './target.ts';

/** HAProxy's default of `tune.bufsize`. */
const BUFFER_SIZE = 16_384;

/** Opens a target. Rejects `CERTBUS_AGENT_CONFIG_INVALID` where a user or group of it does not exist. */
export async function createTarget(configuration: NamedTarget): Promise<Target> {
  const { name, folder, keyEncoding = 'pkcs8', address } = configuration;
  const access = await resolveAccess(configuration);
  switch (configuration.type) {
    case 'files': {
      const { layout = 'certbot', replaceBy = 'swap', after } = configuration;
      return createFilesTarget({ name, folder, layout, replaceBy, keyEncoding, access, after, address });
    }
    case 'haproxy': {
      const { socket, balancerFolder = folder, bufferSize = BUFFER_SIZE } = configuration;
      return createHaproxyTarget({ name, folder, socket, balancerFolder, bufferSize, keyEncoding, access, address });
    }
  }
}
