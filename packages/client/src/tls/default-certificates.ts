/** Shows a certificate to clients that name no server, by the address that they came to. */
import type { Socket } from 'node:net';
import { createSecureContext, type Server } from 'node:tls';
import { putInFront } from './connections.ts';
import { closeNative } from './contexts.ts';
import { peekHello } from './hello-peek.ts';
import { identityOf, settingsOf, sharedContextOf } from './server-settings.ts';

/** A chain and its key, PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
  readonly certificateId: string;
  readonly serialNumber: string;
}

/** What is shown: pairs of different kinds of keys, such as RSA and ECDSA, of which TLS chooses by the client. */
export interface DefaultKeyPairs {
  readonly pairs: readonly KeyPair[];
  /** When they were looked up, milliseconds since 1970: where the clock was set back behind that, they are looked up again. */
  readonly since: number;
  /** From then on another certificate may rank higher, milliseconds since 1970. */
  readonly until: number;
}

export interface DefaultCertificatesOptions {
  /**
   * What is shown for a local address; `undefined` where no certificate is for it. Asked again after {@link DefaultCertificates.forget},
   * and when what was found may no longer be the best.
   */
  readonly find: (address: string) => Promise<DefaultKeyPairs | undefined>;
  /** Called with a pair that TLS does not take with the server's own settings, at each attempt. What is shown without it is shown. */
  readonly onUnfit: (pair: KeyPair, cause: unknown) => void;
  readonly now: () => Date;
}

/** What a server shows to clients that name no server, by the address that they came to. */
export interface DefaultCertificates {
  /** Something changed: what is shown is looked up again. */
  forget(): void;
  /** Whether a certificate is among those that were found. */
  hasFound(certificateId: string): boolean;
}

/** A default certificate, and the address that it is for. */
interface Default {
  readonly address: string;
  readonly material: DefaultKeyPairs | undefined;
  /** The same where the same is shown; compared at every connection. */
  readonly text: string;
}

const textOf = (material: DefaultKeyPairs | undefined): string =>
  (material?.pairs ?? []).map(({ cert, key }) => cert + key).join('');

/** Of a machine that takes connections for any address, such as a transparent proxy. */
const MAX_ADDRESSES = 1_000;

/** An address as certificates write it: IPv4 on a socket for both kinds is IPv4. */
const addressOf = (socket: Socket): string =>
  (socket.localAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');

/**
 * Keeps a server's default certificate that of the address which a connection came to. A native context is expensive, and what is
 * dropped is not freed soon: so what is shown for another address is changed only for a client that names no server.
 */
export function showDefaultCertificates(
  server: Server,
  { find, onUnfit, now }: DefaultCertificatesOptions,
): DefaultCertificates {
  let own = identityOf(server);
  let context = sharedContextOf(server);
  const found = new Map<string, Default>();
  /** What is not tried again: clients choose the address that they come to, and a context is expensive. */
  const unfit = new WeakSet<KeyPair>();
  let generation = 0;
  let shown: Default | undefined;

  function isInTime({ material }: Default): boolean {
    const at = now().getTime();
    return !material || (material.since <= at && at < material.until);
  }
  const isShown = (wanted: Default): boolean => wanted.text === (shown?.text ?? '');

  function set(pairs: readonly KeyPair[] | undefined): void {
    const identity = pairs ? { key: pairs.map(({ key }) => key), cert: pairs.map(({ cert }) => cert) } : own;
    // Without its ticket keys, every session of the server would end with the change.
    server.setSecureContext({ ...settingsOf(server), ...identity, ticketKeys: server.getTicketKeys() });
    context = sharedContextOf(server);
  }

  /** Looks whether the program itself has given the server another certificate or other settings: what was shown before is shown no longer then. */
  function lookAtServer(): void {
    const current = sharedContextOf(server);
    if (current === context) return;
    context = current;
    own = identityOf(server);
    shown = undefined;
  }

  /** Whether TLS takes a pair with the server's settings: its ciphers can ask for longer keys, for example. */
  function fits(pair: KeyPair): boolean {
    try {
      closeNative(createSecureContext({ ...settingsOf(server), key: pair.key, cert: pair.cert }));
      return true;
    } catch (cause) {
      unfit.add(pair);
      onUnfit(pair, cause);
      return false;
    }
  }

  function showFitting(pairs: readonly KeyPair[]): void {
    try {
      set(pairs);
    } catch {
      // One takes the place of another.
      set(pairs.slice(0, 1));
    }
  }

  /** Whether what is shown belongs to another address. */
  const isOfAnother = (wanted: Default): boolean => shown?.material !== undefined && shown.address !== wanted.address;

  /** Shows the pairs that fit; where none does, what was shown for this address goes on. It is not tried again before something changes. */
  function show(wanted: Default): void {
    const isForeign = isOfAnother(wanted);
    shown = wanted;
    let pairs = wanted.material?.pairs.filter((pair) => !unfit.has(pair));
    try {
      if (pairs?.length !== 0) set(pairs);
    } catch {
      pairs = pairs?.filter(fits) ?? [];
      if (pairs.length > 0) showFitting(pairs);
    }
    if (pairs?.length === 0 && isForeign) set(undefined);
  }

  async function look(address: string): Promise<Default> {
    const began = generation;
    const material = await find(address);
    const wanted = { address, material, text: textOf(material) };
    if (found.size >= MAX_ADDRESSES) found.clear();
    if (began === generation) found.set(address, wanted);
    return wanted;
  }

  function prepare(socket: Socket, wanted: Default, passOn: () => void): void {
    if (isOfAnother(wanted) && !isShown(wanted)) {
      peekHello(socket, (hello) => {
        if (hello && hello.serverName === undefined && !isShown(wanted)) show(wanted);
        passOn();
      });
    } else {
      if (!isShown(wanted)) show(wanted);
      passOn();
    }
  }

  putInFront(server, (socket, passOn) => {
    lookAtServer();
    const address = addressOf(socket);
    const known = found.get(address);
    if (known && isInTime(known)) return prepare(socket, known, passOn);
    const ignore = () => {};
    socket.on('error', ignore);
    const go = (wanted: Default | undefined) => {
      socket.off('error', ignore);
      if (socket.destroyed) return;
      if (wanted) prepare(socket, wanted, passOn);
      else passOn();
    };
    // A client that was closed, or whose replica is damaged, does not know better; its servers go on with what they show.
    look(address).then(go, () => go(undefined));
  });

  return {
    forget() {
      generation += 1;
      found.clear();
    },
    hasFound: (certificateId) =>
      [...found.values()].some(({ material }) => material?.pairs.some((pair) => pair.certificateId === certificateId)),
  };
}
