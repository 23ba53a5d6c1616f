/** The TLS servers that a client serves: one listener of the client for all of them. */
import type { Server } from 'node:tls';
import type { MaterialEvents } from '../serving/events.ts';
import type { MaterialSource } from '../serving/material-source.ts';
import type { Challenges } from './challenges.ts';
import { abilityOf, type ClientAbility } from './client-ability.ts';
import { putInFront } from './connections.ts';
import {
  type DefaultCertificates,
  type DefaultCertificatesOptions,
  showDefaultCertificates,
} from './default-certificates.ts';
import type { Defaults } from './defaults.ts';
import { helloOf, peekHello } from './hello-peek.ts';
import { hideDefaultFromNamed } from './named-connections.ts';
import { serverOf } from './server-sockets.ts';
import { suiteKindsOf } from './server-suites.ts';
import { type TicketKeys, watchTicketKeys } from './ticket-keys.ts';
import { answerTlsAlpn01 } from './tls-alpn-01.ts';
import { guardResumption } from './tls-server.ts';

/** The servers that were attached and have not been closed. */
export interface AttachedServers {
  attach(server: Server): void;
  /** A certificate has changed: defaults that it can be are looked up again, and where it was removed no session is resumed. */
  refresh(change: MaterialEvents['changed'][0]): void;
  /** Everything can have changed. */
  clear(): void;
  /** What the client of a connection of an attached server can use; `undefined` for every other caller. */
  abilityOf(caller: unknown): ClientAbility | undefined;
  readonly size: number;
}

export interface AttachedServersOptions {
  readonly defaults: Pick<Defaults, 'find' | 'isAbout'>;
  /** Called with a default certificate that does not fit a server's settings. */
  readonly onUnfit: DefaultCertificatesOptions['onUnfit'];
  readonly challenges: Challenges;
  /** When certificates were removed. */
  readonly removals: Pick<MaterialSource, 'moment' | 'isRemovedSince'>;
  /** Whether a name is covered, for resumed sessions. */
  readonly isCovered: (serverName: string) => boolean;
  /** Whether ClientHellos are needed, to choose a certificate or to know for which name a session is resumed. */
  readonly needsHello: () => boolean;
  readonly now: () => Date;
}

/** What changes at an open server with the certificates. */
interface Open {
  readonly shown: DefaultCertificates;
  readonly ticketKeys: TicketKeys;
}

/** None is attached yet. */
export function createAttachedServers(options: AttachedServersOptions): AttachedServers {
  const { defaults, onUnfit, challenges, removals, isCovered, needsHello, now } = options;
  const open = new Map<Server, Open>();
  /** Also those that were closed, which may listen again. */
  const attached = new WeakSet<Server>();

  return {
    attach(server) {
      hideDefaultFromNamed(server);
      const shown = showDefaultCertificates(server, { find: defaults.find, onUnfit, now });
      answerTlsAlpn01(server, challenges);
      // In TLS 1.2 only the ClientHello says for which name a session that the program keeps itself is resumed: no ticket keys end it.
      const isNeeded = () => needsHello() || server.listenerCount('resumeSession') > 0;
      putInFront(server, (socket, passOn) => (isNeeded() ? peekHello(socket, passOn) : passOn()));
      guardResumption(server, isCovered);
      const ticketKeys = watchTicketKeys(server, removals);
      attached.add(server);
      open.set(server, { shown, ticketKeys });
      server.on('close', () => open.delete(server));
      server.on('listening', () => {
        if (open.has(server)) return;
        // What changed while it was closed has passed it by.
        open.set(server, { shown, ticketKeys });
        shown.forget();
        ticketKeys.rotate();
      });
    },
    refresh({ certificateId, names, removed }) {
      const isAbout = defaults.isAbout(names);
      for (const { shown, ticketKeys } of open.values()) {
        if (isAbout || shown.hasFound(certificateId)) shown.forget();
        if (removed) ticketKeys.rotate();
      }
    },
    clear() {
      for (const { shown, ticketKeys } of open.values()) {
        shown.forget();
        ticketKeys.rotate();
      }
    },
    abilityOf(caller) {
      const server = serverOf(caller);
      if (!server || !attached.has(server)) return undefined;
      return abilityOf(caller as never, helloOf(caller), suiteKindsOf(server));
    },
    get size() {
      return open.size;
    },
  };
}
