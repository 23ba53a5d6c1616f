/**
 * A load balancer in a process of its own, on the packages as they are published, which is asked for one handshake as soon as it can: how long that took
 * since Node had started. It is JavaScript, since stripping types takes time and memory that no load balancer needs.
 */
const startedAt = performance.now();
const { createServer, connect: openTls } = await import('node:tls');
const { connect } = await import('@certbus/client');
const { servername, ca, ...options } = JSON.parse(process.argv[2] ?? '');
const client = await connect(options);
const server = client.attach(createServer(client.tlsOptions(), (socket) => socket.on('error', () => socket.destroy())));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const socket = openTls({ host: '127.0.0.1', port, servername, ca }, () => {
    const seconds = (performance.now() - startedAt) / 1_000;
    socket.destroy();
    process.send?.({ seconds, megabytes: process.memoryUsage.rss() / 1e6 });
  });
});
