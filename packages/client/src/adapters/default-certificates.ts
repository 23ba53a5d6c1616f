import type { Socket } from 'node:net';
import type { SecureContextOptions, Server } from 'node:tls';
import { putInFront } from './connections.ts';

/** A chain and its key, PEM. */
export interface Material {
  readonly cert: string;
  readonly key: string;
}

export interface DefaultCertificatesOptions {
  /** What is shown for a local address; `undefined` where it is nothing of ours. Asked again after {@link DefaultCertificates.forget}. */
  readonly find: (address: string) => Promise<Material | undefined>;
  /** What the server was made with, which stays apart from key and certificate. */
  readonly own: SecureContextOptions;
}

/** What a server shows to clients that name no server, by the address that they came to. */
export interface DefaultCertificates {
  /** Something changed: what is shown is looked up anew. */
  forget(): void;
}

/** Of a machine that takes connections for any address, such as a transparent proxy. */
const MAX_ADDRESSES = 1_000;

/** An address as certificates write it: IPv4 on a socket for both kinds is IPv4. */
const addressOf = (socket: Socket): string =>
  (socket.localAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');

/**
 * Keeps a server's default certificate that of the address which a connection came to. The native context is built anew only where
 * two connections in a row want different ones.
 */
export function showDefaultCertificates(
  server: Server,
  { find, own }: DefaultCertificatesOptions,
): DefaultCertificates {
  const { key: _key, cert: _cert, pfx: _pfx, ...settings } = own;
  const found = new Map<string, Material | undefined>();
  let generation = 0;
  let shown: Material | undefined;

  function show(wanted: Material | undefined): void {
    if (wanted?.cert === shown?.cert && wanted?.key === shown?.key) return;
    shown = wanted;
    // Without its ticket keys, every session of the server would end with the change.
    const ticketKeys = server.getTicketKeys();
    server.setSecureContext({ ...(wanted ? { ...settings, ...wanted } : own), ticketKeys });
  }

  async function look(address: string): Promise<Material | undefined> {
    const began = generation;
    const material = await find(address);
    if (found.size >= MAX_ADDRESSES) found.clear();
    if (began === generation) found.set(address, material);
    return material;
  }

  putInFront(server, (socket, passOn) => {
    const address = addressOf(socket);
    if (found.has(address)) {
      show(found.get(address));
      return passOn();
    }
    const ignore = () => {};
    socket.on('error', ignore);
    const go = (material: Material | undefined) => {
      socket.off('error', ignore);
      if (socket.destroyed) return;
      show(material);
      passOn();
    };
    // A client that was closed looks nothing up any more; its servers go on with what they show.
    look(address).then(go, () => go(shown));
  });

  return {
    forget() {
      generation += 1;
      found.clear();
    },
  };
}
