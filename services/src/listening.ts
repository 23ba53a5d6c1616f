/** Whether a program takes connections yet. */
import { connect } from 'node:net';

/** Where a program is to listen. */
export interface Listening {
  readonly port: number;
  /** Default `127.0.0.1`. */
  readonly host?: string;
}

/** The same of a program that is started: how long that may take. */
export interface Starting extends Listening {
  /** Milliseconds; default four minutes. */
  readonly timeoutMs?: number;
}

/** Whether something takes a connection there. */
export const isListening = ({ port, host = '127.0.0.1' }: Listening): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
