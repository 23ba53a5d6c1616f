/** Debian's Chromium, started, which trusts a root of the test's own and nothing else that is not public. */
import { type ChildProcess, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { unpackDebianPrograms } from './debian-packages.ts';
import { installOnce } from './install.ts';
import { cacheFolder, hasProgram, temporaryFolder } from './machine.ts';
import { run } from './process.ts';

/** A page as the browser shows it, and how it came. */
export interface Page {
  readonly text: string;
  /** `h2` or `http/1.1`. */
  readonly protocol: string;
  /** Whether the browser calls the connection secure. */
  readonly isSecure: boolean;
  /** Serial number of the leaf that it was shown: hexadecimal, upper case. */
  readonly serialNumber: string;
}

export interface Chromium {
  /** Opens a page on connections of its own, as a new visitor. Rejects with the browser's name of the error, such as `net::ERR_CERT_DATE_INVALID`. */
  open(url: string): Promise<Page>;
  stop(): Promise<void>;
}

const FOLDER = 'chromium-debian';

/** Why this machine cannot have Chromium; `undefined` when it can. */
export function missingChromium(): string | undefined {
  if (existsSync(cacheFolder(FOLDER)) || (hasProgram('apt-get') && hasProgram('dpkg-deb'))) return undefined;
  return 'Chromium is a package of Debian, which this machine is not';
}

/** Finds or installs Chromium without its window, and what keeps certificates for it, 300 MB; returns the folder. */
export function findChromium(): Promise<string> {
  return installOnce(FOLDER, "Debian's Chromium", (folder) =>
    unpackDebianPrograms(['chromium-headless-shell', 'libnss3-tools'], folder),
  );
}

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  // biome-ignore lint/suspicious/noExplicitAny: the protocol's answers have a shape for each of its methods.
  readonly params?: any;
  // biome-ignore lint/suspicious/noExplicitAny: the protocol's answers have a shape for each of its methods.
  readonly result?: any;
  readonly error?: { readonly message: string };
}

type Params = Readonly<Record<string, unknown>>;

/** The DevTools protocol on a pipe: JSON texts with a zero byte behind each. */
function createDevTools(child: ChildProcess) {
  const [, , , input, output] = child.stdio as unknown as [null, null, Readable, Writable, Readable];
  const waiting = new Map<number, (reply: Reply) => void>();
  const listeners = new Set<(event: Reply) => void>();
  let sent = 0;
  let rest = '';
  output.setEncoding('utf8').on('data', (chunk: string) => {
    const texts = (rest + chunk).split('\0');
    rest = texts.pop() ?? '';
    for (const reply of texts.map((each): Reply => JSON.parse(each))) {
      if (reply.id === undefined) for (const listen of listeners) listen(reply);
      else waiting.get(reply.id)?.(reply);
    }
  });
  input.on('error', () => {});
  return {
    async send(method: string, params: Params = {}, sessionId?: string) {
      sent += 1;
      const id = sent;
      const reply = await new Promise<Reply>((resolve) => {
        waiting.set(id, resolve);
        input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
      });
      waiting.delete(id);
      if (reply.error) throw new Error(`${method}: ${reply.error.message}`);
      return reply.result;
    },
    /** Resolves with the parameters of the first event of a session that fits. */
    // biome-ignore lint/suspicious/noExplicitAny: each event has a shape of its own.
    next(wanted: string, session: string, fits: (params: any) => boolean = () => true): Promise<any> {
      return new Promise((resolve) => {
        const listen = ({ method, sessionId, params }: Reply) => {
          if (method !== wanted || sessionId !== session || !fits(params)) return;
          listeners.delete(listen);
          resolve(params);
        };
        listeners.add(listen);
      });
    },
  };
}

async function open(devTools: ReturnType<typeof createDevTools>, url: string): Promise<Page> {
  const { browserContextId } = await devTools.send('Target.createBrowserContext');
  try {
    const { targetId } = await devTools.send('Target.createTarget', { url: 'about:blank', browserContextId });
    const { sessionId } = await devTools.send('Target.attachToTarget', { targetId, flatten: true });
    const send = (method: string, params?: Params) => devTools.send(method, params, sessionId);
    await send('Network.enable');
    await send('Page.enable');
    const received = devTools.next('Network.responseReceived', sessionId, ({ type }) => type === 'Document');
    const loaded = devTools.next('Page.loadEventFired', sessionId);
    const { errorText } = await send('Page.navigate', { url });
    if (errorText) throw new Error(errorText);
    const { response } = await received;
    await loaded;
    const { result } = await send('Runtime.evaluate', { expression: 'document.body.innerText' });
    const { tableNames } = await send('Network.getCertificate', { origin: new URL(url).origin });
    const { serialNumber } = new X509Certificate(Buffer.from(tableNames[0], 'base64'));
    const { protocol, securityState } = response;
    return { text: result.value, protocol, isSecure: securityState === 'secure', serialNumber };
  } finally {
    await devTools.send('Target.disposeBrowserContext', { browserContextId });
  }
}

/** Makes the home of a user whose browsers trust one more root. */
async function createHome(folder: string, usr: string, { roots, env }: { roots: string; env: Record<string, string> }) {
  const database = join(folder, '.pki', 'nssdb');
  mkdirSync(database, { recursive: true });
  const file = join(folder, 'root.pem');
  writeFileSync(file, roots);
  const certutil = (...args: string[]) =>
    run(join(usr, 'bin', 'certutil'), ['-d', `sql:${database}`, ...args], { env });
  await certutil('-N', '--empty-password');
  await certutil('-A', '-t', 'C,,', '-n', 'root', '-i', file);
}

/**
 * Starts Chromium, in a home of its own. Every name and port leads to `port` on 127.0.0.1, where the server must show a certificate for
 * that name that `roots`, in PEM, or a public root vouches for; nothing that the browser objects to is ignored.
 */
export async function startChromium({
  port,
  roots,
  http2 = true,
}: {
  readonly port: number;
  readonly roots: string;
  readonly http2?: boolean;
}): Promise<Chromium> {
  const usr = join(await findChromium(), 'usr');
  const home = temporaryFolder();
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const libraries = ['', 'pulseaudio', 'nss'].map((folder) => join(usr, 'lib', `${machine}-linux-gnu`, folder));
  const env = { HOME: home.path, LD_LIBRARY_PATH: libraries.join(':') };
  await createHome(home.path, usr, { roots, env });
  const args = [
    // Root has no other way, and the pages are the test's own.
    '--no-sandbox',
    '--remote-debugging-pipe',
    `--user-data-dir=${join(home.path, 'profile')}`,
    `--host-resolver-rules=MAP * 127.0.0.1:${port}`,
    ...(http2 ? [] : ['--disable-http2']),
  ];
  const child = spawn(join(usr, 'lib', 'chromium', 'chromium-headless-shell'), args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit');
  const devTools = createDevTools(child);
  return {
    open: (url) => open(devTools, url),
    async stop() {
      child.kill('SIGKILL');
      await ended;
      home.remove();
    },
  };
}
