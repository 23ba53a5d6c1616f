/** Makes the targets of a configuration: one line for each type. */
import type { NamedTarget } from '../configuration/read-configuration.ts';
import type { CommandSettings } from './commands/run-command.ts';
import { resolveAccess } from './files/access.ts';
import { createFilesTarget } from './files/files.ts';
import { readPassword } from './files/password.ts';
import { createHaproxyTarget } from './haproxy/haproxy.ts';
import { openAdminApi } from './nginx/admin-api.ts';
import { nginxMap } from './nginx/map.ts';
import { createNginxTarget } from './nginx/nginx.ts';
import { openStartFiles } from './nginx/start-files.ts';
import { readToken } from './nginx/token.ts';
import type { Target } from './target.ts';

/** HAProxy's default of `tune.bufsize`. */
const BUFFER_SIZE = 16_384;

const NGINX_TEST: CommandSettings = { command: ['/usr/sbin/nginx', '-t'] };
const NGINX_RELOAD: CommandSettings = { command: ['/usr/sbin/nginx', '-s', 'reload'] };

/** Why nginx's own commands do not work for another user than root. */
const NGINX_RIGHTS =
  'The agent tests and reloads nginx by "nginx -t" and "nginx -s reload", which only root can. What "certbus-agent init --target nginx-files" prints lets its own user do that by systemd; set "test" and "after" of this target as it does.';

/** Opens a target. Rejects `CERTBUS_AGENT_CONFIG_INVALID` where a user or group of it does not exist, or its password cannot be used. */
export async function createTarget(configuration: NamedTarget): Promise<Target> {
  const { name, address } = configuration;
  switch (configuration.type) {
    case 'files': {
      const { folder, keyEncoding = 'pkcs8', layout = 'certbot', replaceBy = 'swap', test, after } = configuration;
      const { passwordFile, sharedVolume } = configuration;
      const access = await resolveAccess(configuration);
      return createFilesTarget({
        ...{ name, folder, sharedVolume, layout, replaceBy, keyEncoding, access, test, after, address },
        password: passwordFile === undefined ? undefined : await readPassword(passwordFile),
      });
    }
    case 'haproxy': {
      const {
        folder,
        keyEncoding = 'pkcs8',
        socket,
        balancerFolder = folder,
        bufferSize = BUFFER_SIZE,
        sharedVolume,
      } = configuration;
      const access = await resolveAccess(configuration);
      return createHaproxyTarget({
        ...{ name, folder, sharedVolume, socket, balancerFolder, bufferSize, keyEncoding, access, address },
      });
    }
    case 'nginx-files': {
      const { folder, sharedVolume, keyEncoding = 'pkcs8', test = NGINX_TEST, after = NGINX_RELOAD } = configuration;
      const isOwnCommand = test === NGINX_TEST || after === NGINX_RELOAD;
      const access = await resolveAccess(configuration);
      return createFilesTarget({
        ...{ name, folder, sharedVolume, layout: 'combined', replaceBy: 'swap' },
        ...{ keyEncoding, access, test, after, address },
        shared: nginxMap(folder),
        missingRights: isOwnCommand && process.geteuid?.() !== 0 ? NGINX_RIGHTS : undefined,
      });
    }
    case 'nginx': {
      const { socket, tokenFile, folder, sharedVolume } = configuration;
      const files = folder === undefined ? undefined : openStartFiles(folder, { sharedVolume });
      return createNginxTarget({ name, address, files }, openAdminApi({ socket, token: () => readToken(tokenFile) }));
    }
  }
}
