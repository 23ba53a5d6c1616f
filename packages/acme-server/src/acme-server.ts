/** Starts the ACME server, and gives a test the controls of it. */
import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Ca, PendingValidation } from './server/ca.ts';
import { type CertificateView, viewCertificate } from './server/certificate-view.ts';
import { type Clock, createClock } from './server/clock.ts';
import type { AcmeServerEvents } from './server/events.ts';
import { createFaults, type Faults } from './server/faults.ts';
import { createServerCertificate, openHierarchy } from './server/hierarchy.ts';
import { createLimiter } from './server/limits/limiter.ts';
import { createNonces } from './server/nonces.ts';
import { type AcmeServerOptions, settingsOf } from './server/options.ts';
import type { Account } from './server/records.ts';
import type { Incident, RenewalScript } from './server/renewal-script.ts';
import { createRequestHandler } from './server/request-handler.ts';
import type { LoggedRequest } from './server/request-log.ts';
import { createState, openStateFolder, type ServerState } from './server/state/state-folder.ts';
import { PATHS } from './server/urls.ts';
import { recordOutcome } from './server/validation/outcome.ts';
import { subjectOf } from './server/validation/subject.ts';
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
interface Validations {
  begin(ca: Ca, validation: PendingValidation): void;
  end(): Promise<void>;
}

function createValidations(validator: Validator): Validations {
  const stop = new AbortController();
  const running = new Set<Promise<void>>();
  return {
    begin(ca, validation) {
      ca.emit('validating', subjectOf(validation));
      const work = validator(validation, stop.signal)
        .then((problem) => recordOutcome(ca, validation, problem))
        .catch((error: unknown) => {
          // Only closing the server ends a validation without an outcome.
          if (!stop.signal.aborted) throw error;
        })
        .finally(() => running.delete(work));
      running.add(work);
    },
    async end() {
      stop.abort();
      await Promise.all(running);
    },
  };
}

/** A CA, and what only the server around it uses. */
interface OpenCa {
  readonly ca: Ca;
  readonly emitter: EventEmitter<AcmeServerEvents>;
  readonly validations: Validations;
}

/** Writes down what each change leaves, before its request is answered. */
function keepChanges({ ca, emitter }: OpenCa, { keepAccount, keepCertificate }: ServerState): void {
  const keep = ({ serial }: { readonly serial: string }) => {
    const certificate = ca.records.certificates.get(serial);
    if (certificate) keepCertificate(certificate);
  };
  emitter.on('account', ({ url }) => keepAccount(accountAt(ca, url)));
  emitter.on('certificate', keep);
  emitter.on('revocation', keep);
}

async function openCa(options: AcmeServerOptions, clock: Clock, state: ServerState): Promise<OpenCa> {
  const settings = settingsOf(options);
  const { limits, website } = settings;
  const emitter = new EventEmitter<AcmeServerEvents>();
  const renewals: RenewalScript = { overrides: new Map(), incident: undefined };
  const validations = createValidations(createValidator(settings, clock));
  const ca: Ca = {
    settings,
    clock,
    random: options.random ?? Math.random,
    records: state.records,
    hierarchy: await openHierarchy(state.keys.issuing),
    limiter: createLimiter({ limits, clock, renewals, website }),
    renewals,
    terms: { url: settings.termsOfService, outdated: new Set() },
    nonceRejection: { percent: settings.nonceRejectPercent },
    validate: (validation) => validations.begin(ca, validation),
    emit: (name, ...event) => void (emitter as EventEmitter).emit(name, ...event),
  };
  const open = { ca, emitter, validations };
  keepChanges(open, state);
  return open;
}

async function closeServer(server: Server, validations: Validations): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await validations.end();
  await closed;
}

function accountAt({ records }: Ca, url: string): Account {
  const account = records.accounts.get(url.slice(url.lastIndexOf('/') + 1));
  if (!account) throw new TypeError(`There is no account ${url}`);
  return account;
}

type Controls = Pick<
  AcmeServer,
  | 'certificates'
  | 'overrideRenewalInfo'
  | 'setIncident'
  | 'pause'
  | 'unpause'
  | 'changeTerms'
  | 'agreeToTerms'
  | 'setNonceRejectPercent'
  | 'on'
>;

/** What a test does to the CA, and sees of it. */
function controlsOf({ ca, emitter }: OpenCa): Controls {
  const { records, renewals, limiter, terms, nonceRejection } = ca;
  return {
    certificates: () => [...records.certificates.values()].map(viewCertificate),
    overrideRenewalInfo: (certificateId, body) => void renewals.overrides.set(certificateId, body),
    setIncident(incident) {
      renewals.incident = incident;
    },
    pause: (accountUrl, name) => limiter.pause(accountAt(ca, accountUrl), name),
    unpause: (accountUrl) => limiter.resume(accountAt(ca, accountUrl)),
    changeTerms(url) {
      terms.url = url;
      for (const account of records.accounts.values()) terms.outdated.add(account);
    },
    agreeToTerms: (accountUrl) => void terms.outdated.delete(accountAt(ca, accountUrl)),
    setNonceRejectPercent(percent) {
      nonceRejection.percent = percent;
    },
    on(name, listener) {
      const untyped: EventEmitter = emitter;
      untyped.on(name, listener as (...event: unknown[]) => void);
      return () => void untyped.off(name, listener as (...event: unknown[]) => void);
    },
  };
}

/**
 * Starts a CA that keeps to RFC 8555, RFC 8737, RFC 8738 and RFC 9773 to the letter, validates for real, and fails as it is told to.
 * It needs nothing but Node. Everything it knows is in memory and gone when it is disposed of, but for what `stateFolder` keeps. Rejects
 * with the error of the folder, or of a port that is taken (`EADDRINUSE`).
 */
export async function startAcmeServer(options: AcmeServerOptions = {}): Promise<AcmeServer> {
  const clock = createClock(options.now);
  const { keyAlgorithm, roots, intermediates } = settingsOf(options);
  const hierarchy = { keyAlgorithm, roots, intermediates, now: clock.now() };
  const { stateFolder } = options;
  const state = await (stateFolder === undefined ? createState(hierarchy) : openStateFolder(stateFolder, hierarchy));
  const tls = await createServerCertificate(state.keys.tls);
  const open = await openCa(options, clock, state);
  const { ca, validations } = open;
  const faults = createFaults();
  const requests: LoggedRequest[] = [];
  const handler = createRequestHandler({ ca, nonces: createNonces(), faults, log: requests });
  const server = createServer({ key: tls.key, cert: tls.certificate }, handler);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    ...controlsOf(open),
    directory: `https://127.0.0.1:${port}${PATHS.directory}`,
    roots: tls.root,
    issuedRoots: ca.hierarchy.roots,
    clock: ca.clock,
    requests,
    faults,
    get orderCount() {
      return ca.records.orders.size;
    },
    async [Symbol.asyncDispose]() {
      closing ??= closeServer(server, validations);
      await closing;
    },
  };
}
