import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { installDebianPackage, temporaryFolder } from 'certbus-services';
import { createAnswers } from './answers.ts';
import type { OpenContender } from './contender.ts';
import { workThrough } from './orders.ts';
import type { Site } from './site.ts';

/** Debian's package, and the version in it. */
export const LEGO_VERSION = '4.9.1';
const DEBIAN_VERSION = `${LEGO_VERSION}-1`;

async function listen(port: number, answer: RequestListener): Promise<Server> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}

/** Serves lego's webroot: many of its processes cannot share one port for servers of their own. */
function serveWebroot(folder: string, port: number): Promise<Server> {
  return listen(port, ({ url = '' }, response) => {
    readFile(join(folder, url)).then(
      (content) => response.end(content),
      () => response.writeHead(404).end(),
    );
  });
}

/** lego's own protocol for DNS hosts it does not know, in front of the challenge test server. */
function serveHttpReq(site: Site): Promise<Server> {
  const answers = createAnswers(site.answers);
  const answer = async (request: IncomingMessage): Promise<void> => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { fqdn, value } = JSON.parse(text) as { fqdn: string; value: string };
    const host = fqdn.replace(/\.$/, '');
    await (request.url === '/present' ? answers.addTxt(host, value) : answers.removeTxt(host));
  };
  return listen(0, (request, response) => {
    answer(request).then(
      () => response.end(),
      () => response.writeHead(500).end(),
    );
  });
}

/** lego as a contender: a process an order, as it is used, with an account that is there already. */
export const openLego: OpenContender = async (site) => {
  const program = join(await installDebianPackage('lego', DEBIAN_VERSION), 'usr', 'bin', 'lego');
  const folder = temporaryFolder();
  const webroot = join(folder.path, 'webroot');
  await mkdir(join(webroot, '.well-known', 'acme-challenge'), { recursive: true });
  await writeFile(join(folder.path, 'roots.pem'), site.roots);
  const server = site.challenge === 'http-01' ? await serveWebroot(webroot, site.httpPort) : await serveHttpReq(site);
  const { port } = server.address() as AddressInfo;
  const env = {
    ...process.env,
    LEGO_CA_CERTIFICATES: join(folder.path, 'roots.pem'),
    LEGO_DISABLE_CNAME_SUPPORT: 'true',
    HTTPREQ_ENDPOINT: `http://127.0.0.1:${port}`,
    HTTPREQ_POLLING_INTERVAL: '0',
  };
  const how =
    site.challenge === 'http-01'
      ? ['--http', '--http.webroot', webroot]
      : ['--dns', 'httpreq', '--dns.disable-cp', '--dns.resolvers', site.dns];
  const common = ['--server', site.directory, '--email', 'bench@certbus.test', '--accept-tos', '--path', folder.path];

  async function obtain(names: readonly string[], signal: AbortSignal): Promise<void> {
    const args = [...common, ...how, ...names.flatMap((name) => ['--domains', name]), 'run'];
    const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'], signal, killSignal: 'SIGKILL' });
    const said: unknown[] = [];
    child.stderr.on('data', (chunk) => said.push(chunk));
    const [status] = await once(child, 'close');
    if (status !== 0) throw new Error(said.join('').slice(-400));
  }

  // Its first order registers the account.
  await obtain(['register.test'], AbortSignal.timeout(60_000));
  return {
    async obtain(orders, { signal }) {
      const outcome = await workThrough(orders, (names) => obtain(names, signal));
      signal.throwIfAborted();
      return outcome;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      folder.remove();
    },
  };
};
