/** step-ca, built and started: a CA that many companies run, and that reads RFC 8555 in ways of its own. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { createIssuer, privateKeyPem } from './certificates.ts';
import { buildGoTools } from './go-programs.ts';
import { lockOf } from './locks.ts';
import { cacheFolder, freePort, hasProgram, temporaryFolder } from './machine.ts';
import { startService, withFreePorts } from './process.ts';

/** How a step-ca is started. */
export interface StepCaOptions {
  /** `ADDRESS:PORT` of the name server that validation asks; the system's where absent. */
  readonly dnsServer?: string;
  /** Where HTTP-01 is validated; default a free port. */
  readonly httpPort?: number;
  /** Where TLS-ALPN-01 is validated; default a free port. */
  readonly tlsPort?: number;
  /** Lifetime of what it issues from the order on, seconds; it begins a minute before. Default 12 hours. */
  readonly certificateValidityS?: number;
}

/**
 * A real step-ca on loopback, with a PKI of its own that lasts a day. It has no renewal information, profiles, key change (501), alternate chains
 * or terms; a failed challenge stays pending with its error, and the dates of a certificate are fixed with its order.
 */
export interface StepCa {
  readonly directory: string;
  /** PEM to trust the ACME endpoint itself by: it is the root of what it issues as well. */
  readonly roots: string;
  /** How many orders it made, by its own log. */
  orders(): number;
  log(): string;
  readonly httpPort: number;
  readonly tlsPort: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const LOCK = 'step-ca';

/** Why this machine cannot have step-ca; `undefined` when it can. */
export function missingStepCa(): string | undefined {
  return hasProgram('go') || existsSync(cacheFolder(lockOf(LOCK).cacheName)) ? undefined : 'step-ca is built with Go';
}

/** Finds or installs step-ca and returns its path. */
export async function findStepCa(): Promise<string> {
  return join(await buildGoTools(LOCK), 'step-ca');
}

/** Writes the root, and the intermediate with its key, and returns their paths. */
async function writePki(folder: string) {
  const root = await createIssuer('step-ca Root');
  const intermediate = await createIssuer('step-ca Intermediate', root);
  const texts = {
    root: root.certificate.toString('pem'),
    crt: intermediate.certificate.toString('pem'),
    key: await privateKeyPem(intermediate.keys),
  };
  const paths = { root: join(folder, 'root.pem'), crt: join(folder, 'intermediate.pem'), key: join(folder, 'key.pem') };
  await writeFile(paths.root, texts.root);
  await writeFile(paths.crt, texts.crt);
  await writeFile(paths.key, texts.key, { mode: 0o600 });
  return { paths, roots: texts.root };
}

function answers(url: string, roots: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const call = request(url, { ca: roots }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('error', reject).end();
  });
}

/** Starts step-ca, installing it first where it was never used. */
export function startStepCa(options: StepCaOptions = {}): Promise<StepCa> {
  return withFreePorts(() => start(options));
}

async function start({ dnsServer, certificateValidityS = 43_200, ...options }: StepCaOptions): Promise<StepCa> {
  const program = await findStepCa();
  const folder = temporaryFolder();
  const { paths, roots } = await writePki(folder.path);
  const port = await freePort();
  const httpPort = options.httpPort ?? (await freePort());
  const tlsPort = options.tlsPort ?? (await freePort());
  const duration = `${certificateValidityS}s`;
  const claims = { minTLSCertDuration: '1s', maxTLSCertDuration: '24h', defaultTLSCertDuration: duration };
  const config = join(folder.path, 'ca.json');
  const settings = {
    ...paths,
    address: `127.0.0.1:${port}`,
    dnsNames: ['127.0.0.1'],
    logger: { format: 'json' },
    db: { type: 'badgerv2', dataSource: join(folder.path, 'db') },
    authority: { provisioners: [{ type: 'ACME', name: 'acme', claims }] },
  };
  await writeFile(config, JSON.stringify(settings));
  const directory = `https://127.0.0.1:${port}/acme/acme/directory`;
  const flags = ['--insecure', '--acme-http-port', String(httpPort), '--acme-tls-port', String(tlsPort)];
  const { log, pid, stop } = await startService(
    program,
    [...flags, ...(dnsServer ? ['--resolver', dnsServer] : []), config],
    // Its own files of a user, such as contexts of the command "step", must not come into play.
    { env: { STEPPATH: folder.path }, isReady: () => answers(directory, roots), folder },
  );
  return {
    directory,
    roots,
    orders: () => log().match(/"path":"\/acme\/acme\/new-order"[^\n]*"status":201/g)?.length ?? 0,
    log,
    httpPort,
    tlsPort,
    pid,
    stop,
  };
}
