/** PowerDNS, started. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { findProgram, freePort, temporaryFolder } from './machine.ts';
import { startService } from './process.ts';
import { type ServedZone, zoneRecords } from './zone-file.ts';

/** A PowerDNS Authoritative Server with its HTTP API, on loopback. */
export interface PowerDns {
  /** Where the API is. */
  readonly url: string;
  /** `ADDRESS:PORT` that answers DNS. */
  readonly address: string;
  readonly port: number;
  readonly apiKey: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const SCHEMA = '/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql';

/** Why this machine cannot have PowerDNS; `undefined` when it can. */
export function missingPowerDns(): string | undefined {
  if (findProgram('pdns_server') && existsSync(SCHEMA)) return undefined;
  return 'pdns_server with its SQLite backend is missing: .ci/install.sh installs it on a Debian';
}

async function createZone(url: string, apiKey: string, zone: ServedZone): Promise<void> {
  const byKey = Map.groupBy(zoneRecords(zone), ({ name, type }) => `${name} ${type}`);
  const rrsets = [...byKey.values()].map((records) => ({
    name: records[0]?.name,
    type: records[0]?.type,
    ttl: 60,
    records: records.map(({ content }) => ({ content, disabled: false })),
  }));
  const response = await fetch(`${url}/api/v1/servers/localhost/zones`, {
    method: 'POST',
    headers: { 'x-api-key': apiKey },
    body: JSON.stringify({ name: `${zone.name}.`, kind: 'Native', nameservers: [], rrsets }),
  });
  if (!response.ok) throw new Error(`PowerDNS did not take ${zone.name}: ${await response.text()}`);
}

/** Starts Debian's PowerDNS with the SQLite backend and an API key of its own. It remembers no answer. */
export async function startPowerDns({ zones }: { readonly zones: readonly ServedZone[] }): Promise<PowerDns> {
  const temporary = temporaryFolder();
  const folder = temporary.path;
  const [port, apiPort] = [await freePort(), await freePort()];
  const apiKey = Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('hex');
  const file = join(folder, 'pdns.sqlite3');
  const database = new DatabaseSync(file);
  database.exec(readFileSync(SCHEMA, 'utf8'));
  database.close();
  const settings = {
    launch: 'gsqlite3',
    'gsqlite3-database': file,
    'gsqlite3-pragma-synchronous': 0,
    'local-address': '127.0.0.1',
    'local-port': port,
    api: 'yes',
    'api-key': apiKey,
    webserver: 'yes',
    'webserver-address': '127.0.0.1',
    'webserver-port': apiPort,
    'webserver-allow-from': '127.0.0.1',
    'cache-ttl': 0,
    'query-cache-ttl': 0,
    'negquery-cache-ttl': 0,
    'zone-cache-refresh-interval': 0,
    'socket-dir': folder,
    'security-poll-suffix': '',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, 'pdns.conf'), lines.join(''), { mode: 0o600 });
  const url = `http://127.0.0.1:${apiPort}`;
  const { pid, stop } = await startService(
    findProgram('pdns_server') ?? '',
    [`--config-dir=${folder}`, '--daemon=no', '--guardian=no'],
    {
      isReady: async () =>
        (await fetch(`${url}/api/v1/servers/localhost`, { headers: { 'x-api-key': apiKey } })).status === 200,
      folder: temporary,
    },
  );
  try {
    for (const zone of zones) await createZone(url, apiKey, zone);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    address: `127.0.0.1:${port}`,
    port,
    apiKey,
    pid,
    stop,
  };
}
