/** The sandbox: a CA and a DNS server on this machine, until Ctrl-C. */
import { once } from 'node:events';
import { resolve } from 'node:path';
import { exitWith, parseArguments } from './arguments.ts';
import { openHome } from './home.ts';
import { initFlags, startLocalCa } from './local-ca.ts';

const HTTP_PORT = 5002;
const HTTPS_PORT = 8443;
const FOLDER = '.sandbox';

/** npm starts this in the repository; a folder is meant from where the user is. */
const folderOf = (state: unknown) =>
  typeof state === 'string' ? resolve(process.env['INIT_CWD'] ?? '.', state) : FOLDER;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());

const { kind, flags } = parseArguments({ state: { type: 'string' } });
if (!kind.keepsState && flags['state'] !== undefined)
  exitWith(2, 'Pebble cannot keep its state: it has new keys, and no accounts, at every start. Leave out --state.');

const exitWithReason = (error: unknown) => exitWith(1, error instanceof Error ? error.message : String(error));

const home = kind.keepsState ? await openHome(folderOf(flags['state'])).catch(exitWithReason) : undefined;
const ports = { httpPort: HTTP_PORT, tlsPort: HTTPS_PORT };
const local = await startLocalCa(kind, { ...ports, home }).catch(exitWithReason);

/** A word for a shell. */
const quoted = (word: string) => (/^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`);

const certbus = 'npm run -s certbus --';
const ending = home
  ? `The bus is in my-bus, and the CA in ${home.folder}: both go on after a restart of this sandbox. Remove both folders, and everything is gone.`
  : `The bus is in my-bus; remove that folder, and everything is gone. Pebble cannot keep its state: it has new keys, and no
accounts, at every start, so that my-bus issues nothing more once this sandbox has stopped.`;
console.log(`A CA and a DNS server are up on this machine until Ctrl-C.

  CA    ${local.ca.directory}   (${local.ca.description})
  DNS   ${local.dns.dns}   (every name is 127.0.0.1)

In another terminal, in this folder:

  ${certbus} init --dir my-bus ${initFlags(local).map(quoted).join(' ')}
  export CERTBUS_CONFIG=my-bus/certbus.json CERTBUS_STATE_DIR=my-bus/state

  ${certbus} cert mk --wildcard example.test
  ${certbus} cert ls
  ${certbus} example-server            # in a terminal of its own, with the same export

  curl --cacert ${quoted(local.issuedRootsFile)} --resolve www.example.test:${HTTPS_PORT}:127.0.0.1 https://www.example.test:${HTTPS_PORT}/hello

${ending}
`);
if (!stop.signal.aborted) await once(stop.signal, 'abort');
console.log('stopping …');
await local.stop();
