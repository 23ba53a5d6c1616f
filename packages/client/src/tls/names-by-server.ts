/**
 * What answers the server names of each server. Node judges a client's certificate by the context of the server name, and not by the server's own (as of
 * Node 26): one without the server's `ca` would let in the clients of every public authority, and none of the server's own.
 */
import type { Server } from 'node:tls';
import type { Contexts } from './contexts.ts';
import type { NameMap } from './name-map.ts';
import { type ClientTrust, clientTrustOf } from './server-settings.ts';

/** TLS contexts, and which of them is shown for a name. */
export interface ServedNames {
  readonly names: NameMap;
  readonly contexts: Contexts;
}

/** What answers server names, for all servers of a client. */
export interface NamesByServer {
  /** For servers that judge no clients by authorities of their own, and for callers that are not servers. */
  readonly common: ServedNames;
  of(server: Server | undefined): ServedNames;
  all(): Iterable<ServedNames>;
}

const NONE: ClientTrust = {};

const isSame = (one: ClientTrust, other: ClientTrust): boolean =>
  one.ca === other.ca && one.crl === other.crl && one.allowPartialTrustChain === other.allowPartialTrustChain;

/** Makes it. @param make what answers the names of servers that judge their clients in one way. */
export function createNamesByServer(make: (trust: ClientTrust) => ServedNames): NamesByServer {
  const common = make(NONE);
  const own = new Map<Server, { readonly trust: ClientTrust; readonly served: ServedNames }>();

  function clear({ names, contexts }: ServedNames): void {
    names.clear();
    contexts.clear();
  }

  function begin(server: Server): ServedNames {
    const before = own.get(server);
    if (before) clear(before.served);
    else
      server.once('close', () => {
        const last = own.get(server);
        own.delete(server);
        if (last) clear(last.served);
      });
    const trust = clientTrustOf(server);
    const served = make(trust);
    own.set(server, { trust, served });
    return served;
  }

  return {
    common,
    of(server) {
      // Asked at every handshake: nothing is made for a server without authorities of its own.
      const trust = server as ClientTrust | undefined;
      if (!server || !trust || isSame(trust, NONE)) return common;
      const there = own.get(server);
      return there && isSame(there.trust, trust) ? there.served : begin(server);
    },
    *all() {
      yield common;
      for (const { served } of own.values()) yield served;
    },
  };
}
