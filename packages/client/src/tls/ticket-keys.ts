/** The ticket keys of a TLS server: replaced where a certificate was removed, and shared by the workers of a cluster only until then. */
import type { Server } from 'node:tls';
import type { MaterialSource, Moment } from '../serving/material-source.ts';

const TICKET_KEY_BYTES = 48;

/** The keys of one server. */
export interface TicketKeys {
  /** Replaces them: whatever session was resumable does a full handshake next. */
  rotate(): void;
}

/** What the first worker of a cluster that listens at a port gives to the others, also to those that are forked days later. */
interface Handed {
  readonly ticketKeys: string;
  /** When the keys were made; absent where that is not known, as of a server that was not attached. */
  readonly madeAt?: Moment | undefined;
}

/** What Node calls of a server in a worker, before it listens; not documented. */
interface Handing {
  _getServerData(): Handed;
  _setServerData(data: Handed): void;
}

/** Watches over the keys of a server which does not listen yet. */
export function watchTicketKeys(
  server: Server,
  { moment, isRemovedSince }: Pick<MaterialSource, 'moment' | 'isRemovedSince'>,
): TicketKeys {
  const handing = server as unknown as Handing;
  const { _getServerData: give, _setServerData: take } = handing;
  let madeAt = moment();
  handing._getServerData = () => ({ ...give.call(server), madeAt });
  handing._setServerData = (data) => {
    // Those of before a removal would resume what was refused since.
    if (!data.madeAt || isRemovedSince(data.madeAt)) return;
    take.call(server, data);
    madeAt = data.madeAt;
  };
  return {
    rotate() {
      server.setTicketKeys(Buffer.from(crypto.getRandomValues(new Uint8Array(TICKET_KEY_BYTES))));
      madeAt = moment();
    },
  };
}
