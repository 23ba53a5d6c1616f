/** Keeps a server's default certificate out of connections that name a server. */
import { createSecureContext, type SecureContext, type Server } from 'node:tls';
import { putInFront } from './connections.ts';
import { peekHello } from './hello-peek.ts';
import { settingsOf, sharedContextOf } from './server-settings.ts';

/**
 * Before Node 24 the certificate of a server name joins the default one on the connection instead of taking its place: where their key
 * types differ, OpenSSL shows whichever fits the client better, which may be the default name's.
 */
const MIXES_CERTIFICATES = Number.parseInt(process.versions.node, 10) < 24;

/** What Node 22 makes each connection's TLS of. Not documented; `setSecureContext` replaces it. */
interface SharedContext {
  _sharedCreds: SecureContext;
}

/** What `getTicketKeys` and `setTicketKeys` of a server call. */
interface NativeContext {
  readonly context: { setTicketKeys(keys: Buffer): void };
}

/**
 * Gives connections that name a server a context without any certificate, so that only that of the name can be shown. Where Node does so
 * itself, nothing is done. Call it before anything else is put in front of the server.
 */
export function hideDefaultFromNamed(server: Server): void {
  if (!MIXES_CERTIFICATES) return;
  const shared = server as unknown as SharedContext;
  let bare: SecureContext | undefined;
  let madeBeside: unknown;

  /** Made again where the server was given other settings. */
  function bareContext(): SecureContext {
    const current = sharedContextOf(server);
    if (!bare || madeBeside !== current) bare = createSecureContext(settingsOf(server));
    madeBeside = current;
    return bare;
  }

  putInFront(server, (socket, passOn) => {
    peekHello(socket, (hello) => {
      if (hello?.serverName === undefined) return passOn();
      const context = bareContext();
      // Sessions are resumed by the server's ticket keys, also after these were replaced.
      (context as unknown as NativeContext).context.setTicketKeys(server.getTicketKeys());
      const normal = shared._sharedCreds;
      shared._sharedCreds = context;
      try {
        passOn();
      } finally {
        shared._sharedCreds = normal;
      }
    });
  });
}
