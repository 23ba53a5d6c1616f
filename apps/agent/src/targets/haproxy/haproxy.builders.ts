/** A real HAProxy for the tests. */
import { once } from 'node:events';
import { symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { freePort, type HaproxyVersion, type Service, startHaproxy } from 'certbus-services';
import { expect, onTestFinished } from 'vitest';
import type { Site } from '../../agent.builders.ts';
import type { Balancer, CreateBalancer } from '../../conformance/balancer.builders.ts';
import { settled } from '../tls.builders.ts';

/** Sends a line to a socket and resolves with what comes until its end. */
export const ask = (path: string, line: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path, () => socket.write(`${line}\n`));
    socket.on('data', (chunk) => (text += chunk));
    socket.on('end', () => resolve(text)).on('error', reject);
  });

/**
 * Opens a socket in front of another one, which waits for `before` ahead of each piece that a client sends. Resolves with its path.
 *
 * @param connected called with each connection.
 */
export async function socketBefore(
  path: string,
  before: (sent: string) => Promise<void>,
  connected = () => {},
): Promise<string> {
  const own = `${path}.before`;
  const server = createServer((client) => {
    connected();
    const upstream = connect(path);
    upstream.pipe(client);
    let last = Promise.resolve();
    client.on('data', (chunk) => {
      last = last.then(() => before(chunk.toString('latin1'))).then(() => void upstream.write(chunk));
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      one.on('error', () => {}).on('close', () => other.destroy());
  }).listen(own);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return own;
}

/** A HAProxy, and where it is. */
export interface HaproxyBalancer extends Balancer {
  readonly socket: string;
  readonly folder: string;
  /** Reloads it: another process takes over, and the one before ends once its connections have. Resolves with that one. */
  reload(): Promise<Service>;
}

type CreateHaproxy = (
  site: Site,
  options: Parameters<CreateBalancer>[1] & {
    readonly level?: string;
    /** A link to its folder, by which its own configuration names it; it is made here. */
    readonly link?: string;
    /** Another line of its frontend, for a folder of its own. */
    readonly bind?: string;
  },
) => Promise<HaproxyBalancer>;

/** Sets a HAProxy of a version up. */
export const createHaproxyOf =
  (version: HaproxyVersion): CreateHaproxy =>
  async (site, { defaultName, level = 'admin', link, bind = '' }) => {
    const port = await freePort();
    const folder = join(site.folder, 'haproxy');
    const socket = join(site.folder, 'admin.sock');
    const file = join(site.folder, 'haproxy.cfg');
    const own = link ?? folder;
    if (link !== undefined) symlinkSync(folder, link);
    const strict = defaultName === undefined ? 'strict-sni' : '';
    writeFileSync(
      file,
      `global
  stats socket ${socket} mode 600 level ${level} expose-fd listeners
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
frontend tls
  bind 127.0.0.1:${port} ssl crt-list ${own}/crt-list.txt ${strict}
  ${bind}
  http-request return status 200 content-type text/plain string ok
`,
    );
    let service: Service | undefined;
    const startProcess = async (reloaded?: Service) => {
      const over = reloaded && { pid: reloaded.pid, socket };
      service = await startHaproxy(file, { port }, { version, reloaded: over });
      onTestFinished(service.stop);
      return service;
    };
    const target = { type: 'haproxy', socket, folder, ...(link === undefined ? {} : { balancerFolder: link }) };
    return {
      target,
      inOtherForm: { ...target, keyEncoding: 'traditional' },
      port,
      socket,
      folder,
      keepsOverRestart: true,
      // The file of the certificate has its name, and the list is still the one before.
      killedAt: 17,
      start: () => startProcess(),
      async reload() {
        const before = service;
        if (!before) throw new Error('it does not run');
        const { pid } = await startProcess(before);
        await settled(async () => expect(await ask(socket, 'show info')).toContain(`\nPid: ${pid}\n`));
        return before;
      },
      meddle: async (name) => void (await ask(socket, `del ssl crt-list ${own}/crt-list.txt ${own}/${name}.pem`)),
      log: () => service?.log() ?? '',
    };
  };
