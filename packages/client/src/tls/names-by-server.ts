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
  /**
   * Server names in use, a list for each that they are answered by, as `Contexts.recent` gives it; also those of servers that were closed since one was
   * last begun with, since a program closes its servers before its client.
   */
  recent(): readonly (readonly string[])[];
}

const NONE: ClientTrust = {};

const isSame = (one: ClientTrust, other: ClientTrust): boolean =>
  one.ca === other.ca && one.crl === other.crl && one.allowPartialTrustChain === other.allowPartialTrustChain;

export interface NamesByServerOptions {
  /** Makes what answers the names of servers that judge their clients in one way. */
  readonly make: (trust: ClientTrust) => ServedNames;
  /** Called with what was made for a server with authorities of its own, and the names that were in use there where it was given others. */
  readonly onMade: (served: ServedNames, inUse: readonly string[] | undefined) => void;
}

/** Makes it. */
export function createNamesByServer({ make, onMade }: NamesByServerOptions): NamesByServer {
  const common = make(NONE);
  const own = new Map<Server, { readonly trust: ClientTrust; readonly served: ServedNames }>();
  let ended: (readonly string[])[] = [];

  function clear({ names, contexts }: ServedNames): void {
    names.clear();
    contexts.clear();
  }

  function begin(server: Server): ServedNames {
    const before = own.get(server);
    const inUse = before?.served.contexts.recent();
    if (before) clear(before.served);
    else
      server.once('close', () => {
        const last = own.get(server);
        own.delete(server);
        if (!last) return;
        ended.push(last.served.contexts.recent());
        clear(last.served);
      });
    ended = [];
    const trust = clientTrustOf(server);
    const served = make(trust);
    own.set(server, { trust, served });
    onMade(served, inUse);
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
    recent: () => [
      common.contexts.recent(),
      ...[...own.values()].map(({ served }) => served.contexts.recent()),
      ...ended,
    ],
  };
}
