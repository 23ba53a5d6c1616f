/** HAProxy's certificates in memory, changed through its runtime API. */
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentError } from '../../errors.ts';
import type { RuntimeApi } from './runtime-api.ts';

/** A line of HAProxy's list. */
export interface Offer {
  /** What tells it from others of the same certificate. */
  readonly line: number;
  /** The names that it offers the certificate for; none: all that the certificate has. */
  readonly names: readonly string[];
}

/** Certificates that a running HAProxy holds, by the path that it knows them by. */
export interface CertificateStore {
  /** Names the process of HAProxy that answers: after a restart or a reload it is another one. */
  process(): Promise<string>;
  /** Paths of the certificates that it holds. */
  paths(): Promise<ReadonlySet<string>>;
  /** What its list offers to clients, by the path of the certificate. Rejects `CERTBUS_AGENT_TARGET_FAILED` where no `bind` line uses the list. */
  offered(): Promise<ReadonlyMap<string, readonly Offer[]>>;
  /** SHA-1 of each leaf's DER, upper-case hexadecimal, asked for at one time, in order; `undefined` where HAProxy does not hold the certificate. */
  fingerprints(paths: readonly string[]): Promise<readonly (string | undefined)[]>;
  /** Ends a change that somebody else began and did not finish, after a while: as long as it is open, HAProxy changes no other certificate rightly. */
  endForeignTransaction(): Promise<void>;
  /**
   * Replaces a certificate that it holds, and resolves with the fingerprint of what it holds then. Rejects `CERTBUS_AGENT_TARGET_REFUSED` with its answer
   * where it refuses it; then the old one stays.
   */
  replace(path: string, pem: string): Promise<string | undefined>;
  /** Takes a certificate that it does not hold. Resolves and rejects as {@link CertificateStore.replace}. */
  add(path: string, pem: string): Promise<string | undefined>;
  /** Offers a certificate that it holds, for some names, or for all that it has. Of two certificates that are offered for a name the first goes on. */
  offer(path: string, names: readonly string[]): Promise<void>;
  /** Takes one line away. */
  withdraw(path: string, offer: Offer): Promise<void>;
  /** Stops to offer a certificate, and drops it. */
  remove(path: string): Promise<void>;
}

/** Five seconds, and more on a busy machine: it is as slow for the one whose change it is. */
const FOREIGN_LOOKS = 20;
const FOREIGN_LOOK_MS = 250;
/** What HAProxy needs of a buffer besides a command with its payload: the marks of the payload, and a byte behind it. */
const RESERVED = 32;

/** A line of the list with its number: `PATH:LINE [OPTIONS] NAME …`. Lines that are added while HAProxy runs are numbered on. */
const LISTED = /^(?!#)(\S+):(\d+)(?: \[[^\]]*\])?(.*)$/;

const setting = (path: string): string => `set ssl cert ${path}`;

const linesOf = (answer: string): string[] => answer.split('\n').map((line) => line.trim());

/** The certificate that an unfinished change is about: HAProxy lists it first, with a star before it. */
const transactionIn = (answer: string): string | undefined =>
  linesOf(answer)
    .find((line) => line.startsWith('*'))
    ?.slice(1);

const fingerprintIn = (answer: string): string | undefined =>
  /^SHA1 FingerPrint: ([0-9A-F]{40})$/im.exec(answer)?.[1]?.toUpperCase();

function refuse(command: string, answer: string): AgentError {
  const said = answer === '' ? 'nothing' : `"${answer.replaceAll(/\s*\n\s*/g, ' ')}"`;
  return new AgentError('CERTBUS_AGENT_TARGET_REFUSED', `HAProxy answered "${command}" with ${said}.`);
}

/**
 * The certificates of the HAProxy at the other end of a connection.
 *
 * @param list path of the list in the `bind` line, as HAProxy knows it.
 * @param bufferSize `tune.bufsize` of HAProxy, bytes: what is larger gets no answer at all.
 */
export function createCertificateStore(
  api: RuntimeApi,
  { list, bufferSize }: { readonly list: string; readonly bufferSize: number },
): CertificateStore {
  /** Refuses what does not fit into a buffer of HAProxy: it would get no answer at all. */
  function checkSize(
    subject: string,
    { command, payload }: { readonly command: string; readonly payload: string },
  ): void {
    const [length, most] = [command.length + payload.length, bufferSize - RESERVED];
    if (length <= most) return;
    const what = `${subject} has ${length} bytes with its command, and HAProxy takes ${most} at most. Set "tune.bufsize" in its configuration and "bufferSize" of this target to a larger value.`;
    throw new AgentError('CERTBUS_AGENT_TARGET_REFUSED', what);
  }
  const checkCertificate = (path: string, pem: string) =>
    checkSize(`The certificate for ${path}`, { command: setting(path), payload: pem });

  async function must(command: string, isGood: (answer: string) => boolean, payload?: string): Promise<void> {
    const answer = await api.ask(command, payload);
    if (!isGood(answer)) throw refuse(command, answer);
  }
  const succeeds = (answer: string) => linesOf(answer).includes('Success!');

  /** The certificate whose open change took a text, by the answer to `set ssl cert`; `undefined` where it took none. */
  const takenFor = (answer: string): string | undefined =>
    /^Transaction (?:created|updated) for certificate (.+)!$/m.exec(answer)?.[1];

  /** Sets the text of a certificate that is to be committed; where somebody else's change is open, once that is ended. */
  async function set(path: string, pem: string, { isAgain = false } = {}): Promise<void> {
    const command = setting(path);
    const answer = await api.ask(command, pem);
    const taken = takenFor(answer);
    if (taken === path) return;
    // HAProxy 2.6 puts this text into another certificate's change. Who began that must not commit it: its names would be shown with this certificate.
    if (taken !== undefined) await api.ask(`abort ssl cert ${taken}`);
    // Newer ones refuse it (as of 2.8).
    const isForeign = taken !== undefined || /^The ongoing transaction is about /m.test(answer);
    if (!isForeign || isAgain) throw refuse(command, answer);
    await store.endForeignTransaction();
    return set(path, pem, { isAgain: true });
  }

  /** Ends once what was set last is committed, or given up. */
  let turn: Promise<unknown> = Promise.resolve();

  /** Begins a change once the one before it was sent its end: HAProxy has one open change for all certificates. */
  function inTurn<T>(begin: () => Promise<T>): Promise<T> {
    const begun = turn.then(begin);
    turn = begun.catch(() => {});
    return begun;
  }

  async function setAndCommit(path: string, pem: string): Promise<string | undefined> {
    checkCertificate(path, pem);
    const commit = `commit ssl cert ${path}`;
    try {
      const answers = await inTurn(async () => {
        await set(path, pem);
        // What it holds then is asked for at once: a wait more for each of thousands would be half as long again.
        return { sent: api.askAll([commit, `show ssl cert ${path}`]) };
      });
      const [answer = '', shown = ''] = await answers.sent;
      if (!succeeds(answer)) throw refuse(commit, answer);
      return fingerprintIn(shown);
    } catch (error) {
      await api.ask(`abort ssl cert ${path}`).catch(() => {});
      throw error;
    }
  }

  const store: CertificateStore = {
    async process() {
      const lines = linesOf(await api.ask('show info'));
      return lines.filter((line) => /^(?:Pid|Start_time_sec): /.test(line)).join();
    },
    async paths() {
      const lines = linesOf(await api.ask('show ssl cert'));
      return new Set(lines.filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('*')));
    },
    async offered() {
      const lines = linesOf(await api.ask(`show ssl crt-list -n ${list}`));
      if (lines[0] === 'Permission denied') {
        const what =
          'HAProxy does not let the agent ask for certificates on its socket. Add "level admin" to its "stats socket" line, and restart HAProxy.';
        throw new AgentError('CERTBUS_AGENT_TARGET_FAILED', what);
      }
      if (lines[0]?.startsWith('Unknown command')) {
        const what =
          'HAProxy does not know the command "show ssl crt-list": it is older than 2.2, or the socket is that of something else. The agent needs HAProxy 2.6 or newer.';
        throw new AgentError('CERTBUS_AGENT_TARGET_FAILED', what);
      }
      // It names the list first. One that runs without it must find the files when it is reloaded with it, so that no certificate is refused here.
      if (!lines[0]?.startsWith('#')) {
        const what = `HAProxy does not use ${list} yet. Add the "bind" line that "certbus-agent init" prints, and reload HAProxy: the files for it are in place.`;
        throw new AgentError('CERTBUS_AGENT_TARGET_FAILED', what);
      }
      const offers = new Map<string, Offer[]>();
      for (const text of lines) {
        const [, path, line, names] = LISTED.exec(text) ?? [];
        if (path === undefined) continue;
        const offer = { line: Number(line), names: (names ?? '').split(' ').filter(Boolean) };
        offers.set(path, [...(offers.get(path) ?? []), offer]);
      }
      return offers;
    },
    fingerprints: async (paths) => (await api.askAll(paths.map((path) => `show ssl cert ${path}`))).map(fingerprintIn),
    async endForeignTransaction() {
      let open = transactionIn(await api.ask('show ssl cert'));
      for (let looks = 0; open !== undefined && looks < FOREIGN_LOOKS; looks += 1) {
        await sleep(FOREIGN_LOOK_MS);
        open = transactionIn(await api.ask('show ssl cert'));
      }
      if (open !== undefined) await api.ask(`abort ssl cert ${open}`);
    },
    replace: setAndCommit,
    async add(path, pem) {
      checkCertificate(path, pem);
      await must(`new ssl cert ${path}`, (answer) => answer.startsWith('New empty certificate store'));
      try {
        return await setAndCommit(path, pem);
      } catch (error) {
        await api.ask(`del ssl cert ${path}`).catch(() => {});
        throw error;
      }
    },
    async offer(path, names) {
      if (names.length === 0) return must(`add ssl crt-list ${list} ${path}`, succeeds);
      const [command, line] = [`add ssl crt-list ${list}`, [path, ...names].join(' ')];
      checkSize(`The line of ${path} in ${list}`, { command, payload: line });
      return must(command, succeeds, line);
    },
    withdraw: (path, { line }) =>
      must(`del ssl crt-list ${list} ${path}:${line}`, (answer) => /deleted in crtlist/.test(answer)),
    async remove(path) {
      // Where it is offered no more, or was dropped by another, there is nothing left to do.
      const gone = await api.ask(`del ssl crt-list ${list} ${path}`);
      if (/several entries/.test(gone))
        for (const offer of (await store.offered()).get(path) ?? []) await store.withdraw(path, offer);
      const answer = await api.ask(`del ssl cert ${path}`);
      if (/in use/i.test(answer)) throw refuse(`del ssl cert ${path}`, answer);
    },
  };
  return store;
}
