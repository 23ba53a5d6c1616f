/** The load of the soak: clients in a process of their own that ask for names without end, and hold what they are shown against it. */
import { connect } from 'node:tls';

/** What it is told. */
export interface SoakLoad {
  readonly port: number;
  /** Names that are asked for, the first ones more often than the others. */
  readonly names: readonly string[];
  readonly clients: number;
  /** One connection in so many offers the last ticket that it was given for its name. */
  readonly ticketOneIn: number;
}

/** What it says once it has asked for each name, and whenever it is asked: what happened since the last time. */
export interface SoakLoadReport {
  readonly handshakes: number;
  readonly resumed: number;
  /** Requests that failed. */
  readonly failed: readonly string[];
  /** Names that were shown another name's certificate. */
  readonly wrong: readonly string[];
}

const [, , text = ''] = process.argv;
const { port, names, clients, ticketOneIn }: SoakLoad = JSON.parse(text);
const fresh = () => ({ handshakes: 0, resumed: 0, failed: [] as string[], wrong: [] as string[] });
let report = fresh();
/** Names whose tickets are kept. */
const KEPT = 100;
const tickets = new Map<string, Buffer>();

/** One connection with one request. */
function ask(servername: string, session: Buffer | undefined): Promise<void> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, servername, rejectUnauthorized: false, ...(session ? { session } : {}) };
    const socket = connect(options, () => {
      if (socket.isSessionReused()) report.resumed += 1;
      else if (!socket.getPeerX509Certificate()?.checkHost(servername)) report.wrong.push(servername);
      socket.write(`GET / HTTP/1.1\r\nHost: ${servername}\r\nConnection: close\r\n\r\n`);
    });
    let isAnswered = false;
    socket
      .on('session', (ticket) => {
        if (tickets.size < KEPT || tickets.has(servername)) tickets.set(servername, ticket);
      })
      .on('data', () => {
        isAnswered = true;
      })
      .on('error', (error) => report.failed.push(`${servername}: ${error.message}`))
      .on('close', (hadError) => {
        report.handshakes += 1;
        if (!isAnswered && !hadError) report.failed.push(`${servername}: no answer`);
        resolve();
      });
  });
}

/** Half of what is asked for is a hundredth of the names, as on most servers. */
function draw(): string {
  const among = Math.random() < 0.5 ? Math.ceil(names.length / 100) : names.length;
  return names[Math.floor(Math.random() * among)] ?? '';
}

/** Asks for each name once, so that the server has all contexts that it will have. */
async function warmUp(unasked: string[]): Promise<void> {
  for (let name = unasked.pop(); name !== undefined; name = unasked.pop()) await ask(name, undefined);
}

async function client(): Promise<void> {
  for (let n = 1; ; n += 1) {
    const name = draw();
    await ask(name, n % ticketOneIn === 0 ? tickets.get(name) : undefined);
  }
}

process.on('message', () => {
  process.send?.(report);
  report = fresh();
});
process.on('disconnect', () => process.exit());
const unasked = [...names];
await Promise.all(Array.from({ length: clients }, () => warmUp(unasked)));
process.send?.(report);
report = fresh();
for (let n = 0; n < clients; n += 1) void client();
