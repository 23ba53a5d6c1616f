/** Shows a certificate to clients that name no server, by the address that they came to. */
import type { Socket } from 'node:net';
import type { Server } from 'node:tls';
import { putInFront } from './connections.ts';
import { peekHello } from './hello-peek.ts';
import { identityOf, settingsOf } from './server-settings.ts';

/** A chain and its key, PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** What is shown: pairs of different key types, of which TLS chooses by the client. */
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
  readonly now: () => Date;
}

/** What a server shows to clients that name no server, by the address that they came to. */
export interface DefaultCertificates {
  /** Something changed: what is shown is looked up again. */
  forget(): void;
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
  { find, now }: DefaultCertificatesOptions,
): DefaultCertificates {
  const own = identityOf(server);
  const found = new Map<string, Default>();
  let generation = 0;
  let shown: Default | undefined;

  function isInTime({ material }: Default): boolean {
    const at = now().getTime();
    return !material || (material.since <= at && at < material.until);
  }
  const isShown = (wanted: Default): boolean => wanted.text === (shown?.text ?? '');

  function show(wanted: Default): void {
    const { material } = wanted;
    shown = wanted;
    // Without its ticket keys, every session of the server would end with the change.
    const ticketKeys = server.getTicketKeys();
    const identity = material
      ? { key: material.pairs.map(({ key }) => key), cert: material.pairs.map(({ cert }) => cert) }
      : own;
    server.setSecureContext({ ...settingsOf(server), ...identity, ticketKeys });
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
    const isOfAnother = shown?.material !== undefined && shown.address !== wanted.address;
    if (isOfAnother && !isShown(wanted)) {
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
  };
}
