import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createAuthority, createServerCertificate } from './server/authority.ts';
import type { Ca, ValidationJob } from './server/ca.ts';
import { type CertificateView, viewCertificate } from './server/certificate-view.ts';
import { type Clock, createClock } from './server/clock.ts';
import type { AcmeServerEvents } from './server/events.ts';
import { createFaults, type Faults } from './server/faults.ts';
import { createLimiter } from './server/limits/limiter.ts';
import { createNonces } from './server/nonces.ts';
import { type AcmeServerOptions, settingsOf } from './server/options.ts';
import { createRecords } from './server/records.ts';
import type { Incident, RenewalScript } from './server/renewal-script.ts';
import { createRequestHandler } from './server/request-handler.ts';
import type { LoggedRequest } from './server/request-log.ts';
import { settle } from './server/settlement.ts';
import { PATHS } from './server/urls.ts';
import { createValidator, type Validator } from './server/validation/validator.ts';

/** A CA for tests, on loopback, in this process. */
export interface AcmeServer extends AsyncDisposable {
  /** URL of the directory, `https://127.0.0.1:PORT/directory`. */
  readonly directory: string;
  /** PEM of the root to trust the server's own address by. */
  readonly roots: string;
  /** PEM of the roots of what it issues, the default one first. */
  readonly issuedRoots: readonly string[];
  readonly clock: Clock;
  /** Every request so far. */
  readonly requests: readonly LoggedRequest[];
  /** Puts failures in the way of requests. */
  readonly faults: Pick<Faults, 'inject' | 'clear'>;
  /** How many orders it made; one that was given again counts once. */
  readonly orderCount: number;
  /** What it issued, oldest first. */
  certificates(): readonly CertificateView[];
  /** Answers this for a certificate in place of its own renewal information: any JSON value, or a text as it is. */
  overrideRenewalInfo(certificateId: string, body: unknown): void;
  /** Asks for the renewal of certificates at once, as in a mass revocation; `undefined` ends it. */
  setIncident(incident: Incident | undefined): void;
  /** Refuses further orders of an account for a name, as Let's Encrypt does after many failures in a row. */
  pause(accountUrl: string, name: string): void;
  /** What a person does at the unpause link. */
  unpause(accountUrl: string): void;
  /** Has new terms, to which every account has to agree before its next order (RFC 8555 §7.3.3). */
  changeTerms(url: string): void;
  /** What a person does at the page that the problem names. */
  agreeToTerms(accountUrl: string): void;
  /** From now on, the share of good nonces that are refused. */
  setNonceRejectPercent(percent: number): void;
  on<Name extends keyof AcmeServerEvents>(name: Name, listener: (...event: AcmeServerEvents[Name]) => void): () => void;
}

/** Validations that run, so that closing the server can wait for them. */
function createValidations(ca: () => Ca, validator: Validator) {
  const stop = new AbortController();
  const running = new Set<Promise<void>>();
  return {
    begin(job: ValidationJob): void {
      const work = validator(job, stop.signal)
        .then((problem) => settle(ca(), job, problem))
        .catch((error: unknown) => {
          // Only closing the server ends a validation without an outcome.
          if (!stop.signal.aborted) throw error;
        })
        .finally(() => running.delete(work));
      running.add(work);
    },
    async end(): Promise<void> {
      stop.abort();
      await Promise.all(running);
    },
  };
}

/**
 * Starts a CA that keeps to RFC 8555, RFC 8737, RFC 8738 and RFC 9773 to the letter, validates for real, and fails as it is told to.
 * It needs nothing but Node. Everything it knows is in memory and gone when it is disposed of.
 */
export async function startAcmeServer(options: AcmeServerOptions = {}): Promise<AcmeServer> {
  const settings = settingsOf(options);
  const clock = createClock(options.now);
  const { keyAlgorithm, roots, intermediates, limits, website } = settings;
  const tls = await createServerCertificate();
  const authority = await createAuthority({ keyAlgorithm, roots, intermediates, now: clock.now() });
  const emitter = new EventEmitter<AcmeServerEvents>();
  const renewals: RenewalScript = { overrides: new Map(), incident: undefined };
  const records = createRecords();
  const validations = createValidations(() => ca, createValidator(settings, clock));
  const ca: Ca = {
    settings,
    clock,
    random: options.random ?? Math.random,
    records,
    authority,
    limiter: createLimiter({ limits, clock, renewals, website }),
    renewals,
    terms: { url: settings.termsOfService, outdated: new Set() },
    nonceRejection: { percent: settings.nonceRejectPercent },
    validate: (job) => validations.begin(job),
    emit: (name, ...event) => void (emitter as EventEmitter).emit(name, ...event),
  };
  const faults = createFaults();
  const requests: LoggedRequest[] = [];
  const handler = createRequestHandler({ ca, nonces: createNonces(), faults, log: requests });
  const server = createServer({ key: tls.key, cert: tls.certificate }, handler);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  async function close(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await validations.end();
    await closed;
  }
  let closing: Promise<void> | undefined;

  const accountAt = (url: string) => {
    const account = records.accounts.get(url.slice(url.lastIndexOf('/') + 1));
    if (!account) throw new TypeError(`There is no account ${url}`);
    return account;
  };

  return {
    directory: `https://127.0.0.1:${port}${PATHS.directory}`,
    roots: tls.root,
    issuedRoots: authority.roots,
    clock,
    requests,
    faults,
    get orderCount() {
      return records.orders.size;
    },
    certificates: () => [...records.certificates.values()].map(viewCertificate),
    overrideRenewalInfo: (certificateId, body) => void renewals.overrides.set(certificateId, body),
    setIncident(incident) {
      renewals.incident = incident;
    },
    pause: (accountUrl, name) => ca.limiter.pause(accountAt(accountUrl), name),
    unpause: (accountUrl) => ca.limiter.resume(accountAt(accountUrl)),
    changeTerms(url) {
      ca.terms.url = url;
      for (const account of records.accounts.values()) ca.terms.outdated.add(account);
    },
    agreeToTerms: (accountUrl) => void ca.terms.outdated.delete(accountAt(accountUrl)),
    setNonceRejectPercent(percent) {
      ca.nonceRejection.percent = percent;
    },
    on(name, listener) {
      const untyped: EventEmitter = emitter;
      untyped.on(name, listener as (...event: unknown[]) => void);
      return () => void untyped.off(name, listener as (...event: unknown[]) => void);
    },
    async [Symbol.asyncDispose]() {
      closing ??= close();
      await closing;
    },
  };
}
