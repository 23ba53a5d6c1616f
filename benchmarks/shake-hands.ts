import { connect } from 'node:tls';

/** One full handshake, until the server's first byte: no session is offered, so none is resumed. Resolves with its milliseconds. */
export function shakeHands(port: number, servername: string): Promise<number> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    // The load is to be cheap; the test of who answers is in the client's own tests.
    const socket = connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
    let took = Number.NaN;
    socket
      .on('error', reject)
      .on('data', () => {
        took = performance.now() - began;
        socket.destroy();
      })
      .on('close', () => resolve(took));
  });
}
