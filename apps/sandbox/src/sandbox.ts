/** The sandbox: a CA, a DNS server, a bus and a server that follows it on this machine, until Ctrl-C. */
import { once } from 'node:events';
import { resolve } from 'node:path';
import { exitWith, parseArguments } from './arguments.ts';
import { foreignSettings } from './environment.ts';
import { openHome, SERVER_PORTS } from './home.ts';
import { startLocalCa } from './local-ca.ts';
import { startSite } from './site.ts';

const FOLDER = '.sandbox';

/** npm starts this in the repository; a folder is meant from where the user is. */
const folderOf = (state: unknown) =>
  typeof state === 'string' ? resolve(process.env['INIT_CWD'] ?? '.', state) : FOLDER;

function portOf(given: unknown): number | undefined {
  if (given === undefined) return undefined;
  const port = Number(given);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  return exitWith(2, `"${given}" is not a port. Give a number from 1 to 65535.`);
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());

const { kind, flags } = parseArguments({
  state: { type: 'string' },
  port: { type: 'string' },
  'http-port': { type: 'string' },
});
if (!kind.keepsState && flags['state'] !== undefined)
  exitWith(2, 'Pebble cannot keep its state: it has new keys, and no accounts, at every start. Leave out --state.');

const exitWithReason = (error: unknown) => exitWith(1, error instanceof Error ? error.message : String(error));

const wished = { port: portOf(flags['port']), httpPort: portOf(flags['http-port']) };
const home = kind.keepsState ? await openHome(folderOf(flags['state']), wished).catch(exitWithReason) : undefined;
const { port = SERVER_PORTS.port, httpPort = SERVER_PORTS.httpPort } = home?.server ?? wished;
const local = await startLocalCa(kind, { httpPort, tlsPort: port, home }).catch(exitWithReason);
const site = await startSite(local, { port, httpPort }).catch(async (error: Error) => {
  await local.stop();
  const others = home
    ? ''
    : `\nIf port ${port} or ${httpPort} is taken, choose others: npm run sandbox -- --ca pebble --port PORT --http-port PORT`;
  return exitWith(1, `The bus or its server could not be started: ${error.message}${others}`);
});

/** A word for a shell. */
const quoted = (word: string) => (/^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`);

const certbus = 'npm run -s certbus --';
const exported = Object.entries(site.variables).map(([name, value]) => `${name}=${quoted(value)}`);
const foreign = foreignSettings(process.env, site.variables);
const unset = foreign.length > 0 ? `unset ${foreign.join(' ')}\n  ` : '';
const ending = home
  ? `The CA and the bus are in ${home.folder} and continue at the next start. Once you delete that folder, everything is gone.`
  : 'Pebble cannot keep its state: once this sandbox has stopped, everything is gone.';
console.log(`A CA, a DNS server, a bus and a server are up on this machine until Ctrl-C.

  CA      ${local.ca.directory}   (${local.ca.description})
  DNS     ${local.dns.dns}   (every name is 127.0.0.1)
  bus     ${site.folder}   (made by certbus init)
  server  https://127.0.0.1:${port} and http://127.0.0.1:${httpPort}   (certbus example-server)

In another terminal, in this folder:

  ${unset}export ${exported.join(' ')}
  ${certbus} cert mk --wildcard example.test
  curl --cacert ${quoted(local.issuedRootsFile)} --resolve www.example.test:${port}:127.0.0.1 https://www.example.test:${port}/hello

${ending}
`);
if (!stop.signal.aborted) await once(stop.signal, 'abort');
console.log('stopping …');
await site.stop();
await local.stop();
