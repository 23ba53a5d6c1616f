/** Pebble, started. */
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { freePort, temporaryFolder } from './machine.ts';
import { findPebble, type PebbleOrigin } from './pebble-programs.ts';
import { startService, withFreePorts } from './process.ts';
import { createTlsIdentity } from './tls-identity.ts';

export interface PebbleOptions {
  /** `ADDRESS:PORT` of the name server that validation asks; the system's where absent. */
  readonly dnsServer?: string;
  /** Where HTTP-01 is validated; default a free port. */
  readonly httpPort?: number;
  /** Where TLS-ALPN-01 is validated; default a free port. */
  readonly tlsPort?: number;
  /** HMAC keys, base64url, by the name of the external account; with any, new accounts must be bound to one. Default none. */
  readonly externalAccounts?: Readonly<Record<string, string>>;
  /** Names of the CA in CAA and dns-persist-01 records. Default none. */
  readonly caaIdentities?: readonly string[];
  /** Roots beside the default one. Default 0. */
  readonly alternateRoots?: number;
  /** Share of good nonces refused; default 5. */
  readonly nonceRejectPercent?: number;
  /** Share of valid authorizations used again; default 0. */
  readonly authzReusePercent?: number;
  /** Pass every challenge without looking. Default false. */
  readonly alwaysValid?: boolean;
  /** Longest random pause before a validation, seconds; default 0. */
  readonly validationSleepMaxS?: number;
  /** Lifetime of what it issues, seconds; default 90 days. */
  readonly certificateValidityS?: number;
  /** Whether there is a profile `shortlived` of 160 hours, which Pebble then also draws for orders that name none. Default false. */
  readonly hasShortlived?: boolean;
}

/** Let's Encrypt's own test CA, for real, on loopback. */
export interface Pebble {
  readonly directory: string;
  /** PEM to trust the ACME endpoint itself by. */
  readonly roots: string;
  readonly managementUrl: string;
  /** PEM of the root of what it issues. */
  issuedRoots(): Promise<string>;
  /** Makes it answer this to who asks when to renew a certificate (PEM). From version 2.8.0 on. */
  setRenewalInfo(certificate: string, answer: unknown): Promise<void>;
  /** How many orders it made, by its own log. */
  orders(): number;
  log(): string;
  readonly httpPort: number;
  readonly tlsPort: number;
  readonly version: string;
  readonly origin: PebbleOrigin;
  readonly pid: number;
  stop(): Promise<void>;
}

/** A name that this CA refuses to issue for. */
export const BLOCKED_NAME = 'blocked.test';

function ask(url: string, { ca, body }: { ca: string; body?: unknown }): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { ca, method: body ? 'POST' : 'GET', headers: { 'user-agent': 'certbus-testing' } };
    const call = request(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`status ${response.statusCode}`)),
      );
    });
    call.on('error', reject).end(body && JSON.stringify(body));
  });
}

const SHORTLIVED = { description: 'Six days, also for IP addresses', validityPeriod: 160 * 3_600 };

function environment(options: PebbleOptions): Record<string, string> {
  const {
    nonceRejectPercent = 5,
    authzReusePercent = 0,
    alwaysValid = false,
    validationSleepMaxS = 0,
    alternateRoots = 0,
  } = options;
  return {
    PEBBLE_WFE_NONCEREJECT: String(nonceRejectPercent),
    PEBBLE_AUTHZREUSE: String(authzReusePercent),
    PEBBLE_ALTERNATE_ROOTS: String(alternateRoots),
    ...(alwaysValid ? { PEBBLE_VA_ALWAYS_VALID: '1' } : {}),
    ...(validationSleepMaxS > 0 ? { PEBBLE_VA_SLEEPTIME: String(validationSleepMaxS) } : { PEBBLE_VA_NOSLEEP: '1' }),
  };
}

/** Starts Pebble, installing it first where it was never used. */
export function startPebble(options: PebbleOptions = {}): Promise<Pebble> {
  return withFreePorts(() => start(options));
}

async function start(options: PebbleOptions): Promise<Pebble> {
  const { dnsServer, certificateValidityS = 90 * 86_400, externalAccounts = {}, caaIdentities = [] } = options;
  const { hasShortlived = false } = options;
  const programs = await findPebble();
  const folder = temporaryFolder();
  const tls = await createTlsIdentity();
  const port = await freePort();
  const management = await freePort();
  const httpPort = options.httpPort ?? (await freePort());
  const tlsPort = options.tlsPort ?? (await freePort());
  const certificate = join(folder.path, 'certificate.pem');
  const privateKey = join(folder.path, 'key.pem');
  const config = join(folder.path, 'pebble.json');
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate,
    privateKey,
    httpPort,
    tlsPort,
    ocspResponderURL: '',
    externalAccountBindingRequired: Object.keys(externalAccounts).length > 0,
    externalAccountMACKeys: externalAccounts,
    caaIdentities,
    domainBlocklist: [BLOCKED_NAME],
    certificateValidityPeriod: certificateValidityS,
    profiles: {
      default: { description: 'The default profile', validityPeriod: certificateValidityS },
      ...(hasShortlived ? { shortlived: SHORTLIVED } : {}),
    },
  };
  await writeFile(certificate, tls.certificate);
  await writeFile(privateKey, tls.key, { mode: 0o600 });
  await writeFile(config, JSON.stringify({ pebble }));
  const directory = `https://127.0.0.1:${port}/dir`;
  const managementUrl = `https://127.0.0.1:${management}`;
  const { log, pid, stop } = await startService(
    programs.pebble,
    ['-config', config, '-strict', ...(dnsServer ? ['-dnsserver', dnsServer] : [])],
    {
      env: environment(options),
      isReady: async () => (await ask(directory, { ca: tls.root })).includes('newOrder'),
      folder,
    },
  );
  return {
    directory,
    roots: tls.root,
    managementUrl,
    issuedRoots: () => ask(new URL('roots/0', managementUrl).href, { ca: tls.root }),
    async setRenewalInfo(certificate, answer) {
      const body = { Certificate: certificate, ARIResponse: JSON.stringify(answer) };
      await ask(`${managementUrl}/set-renewal-info/`, { ca: tls.root, body });
    },
    orders: () => log().match(/Added order /g)?.length ?? 0,
    log,
    httpPort,
    tlsPort,
    version: programs.version,
    origin: programs.origin,
    pid,
    stop,
  };
}
