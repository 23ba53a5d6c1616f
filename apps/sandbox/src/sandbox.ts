/** The sandbox: a CA and a DNS server on this machine, until Ctrl-C. */
import { once } from 'node:events';
import { caFromArguments, initFlags, startLocalCa } from './local-ca.ts';

const HTTP_PORT = 5002;
const HTTPS_PORT = 8443;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());

const local = await startLocalCa(caFromArguments(), { httpPort: HTTP_PORT, tlsPort: HTTPS_PORT });
const certbus = 'npm run -s certbus --';
console.log(`A CA and a DNS server are up on this machine until Ctrl-C.

  CA    ${local.ca.directory}   (${local.ca.description})
  DNS   ${local.dns.dns}   (every name is 127.0.0.1)

In another terminal, in this folder:

  ${certbus} init --dir my-bus ${initFlags(local).join(' ')}
  export CERTBUS_CONFIG=my-bus/certbus.json CERTBUS_STATE_DIR=my-bus/state

  ${certbus} cert mk --wildcard example.test
  ${certbus} cert ls
  ${certbus} example-server            # in a terminal of its own, with the same export

  curl --cacert ${local.issuedRootsFile} --resolve www.example.test:${HTTPS_PORT}:127.0.0.1 https://www.example.test:${HTTPS_PORT}/hello

What was made lies in my-bus; remove that folder, and everything is gone.
`);
if (!stop.signal.aborted) await once(stop.signal, 'abort');
console.log('stopping …');
await local.stop();
