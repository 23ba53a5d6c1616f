/** Answers dns-01 by signed dynamic updates. */
import type { Solver } from '@certbus/acme';
import { AcmeError } from '@certbus/acme';
import type { Surroundings } from '../../definition/provider.ts';
import { canonical } from '../../dns/lookups.ts';
import type { DnsOptions } from '../../dns/options.ts';
import { createDnsSolver, type ZoneValues } from '../../dns/solver.ts';
import { zoneInDns } from '../../dns/zone-of.ts';
import { parseServer } from './exchange.ts';
import { sendUpdates, type Updater } from './send.ts';
import type { Rfc2136Settings } from './settings.ts';
import type { TsigAlgorithm } from './tsig.ts';
import type { ValueUpdate } from './update.ts';

/** Which server takes updates, and with what key. */
export interface Rfc2136Options extends DnsOptions {
  /** The primary server of the zones: `HOST`, `HOST:PORT` or `[IPV6]:PORT`. Default port 53. */
  readonly server: string;
  /** The TSIG key that the server lets update TXT records (RFC 8945). */
  readonly key: {
    readonly name: string;
    /** Default `hmac-sha256`. */
    readonly algorithm?: TsigAlgorithm | undefined;
    /** The secret in base64, as tsig-keygen and keymgr print it. */
    readonly secret: string;
  };
  /** The zone of all names. Default: found in DNS, by SOA records. */
  readonly zone?: string | undefined;
  /** How updates travel: `udp`, and TCP for what is too large or gets lost, or `tcp` for all. Default `udp`. */
  readonly transport?: 'udp' | 'tcp' | undefined;
  /** Default: the system's clock. */
  readonly now?: (() => Date) | undefined;
}

const TTL_S = 30;

function parseSecret(secret: string): Uint8Array {
  const text = secret.replace(/\s/g, '');
  // The text itself must not be told.
  if (!/^[A-Za-z0-9+/]{2,}={0,2}$/.test(text)) throw new TypeError('The TSIG secret is not base64');
  return Buffer.from(text, 'base64');
}

function updatesOf(action: ValueUpdate['action'], { sets }: ZoneValues): ValueUpdate[] {
  return sets.flatMap(({ name, values }) => values.map((value) => ({ action, name, value })));
}

/**
 * Answers dns-01 by dynamic updates (RFC 2136) signed with TSIG (RFC 8945), as BIND, Knot DNS, PowerDNS and Windows take them. Exact
 * values are added and deleted, so those of others survive. Operations reject with
 * `CERTBUS_ACME_ZONE_NOT_FOUND` or `CERTBUS_ACME_SOLVER_FAILED`. Throws `TypeError` for a server or secret that is none.
 */
export function createRfc2136Solver(options: Rfc2136Options): Solver {
  const { key, zone: only, transport = 'udp', now = () => new Date() } = options;
  const server = parseServer(options.server);
  const { name, algorithm = 'hmac-sha256', secret } = key;
  const updater: Updater = {
    server,
    key: { name: canonical(name), algorithm, secret: parseSecret(secret) },
    transport,
    ttlS: TTL_S,
    now,
  };
  const fixed = only === undefined ? undefined : canonical(only);

  return createDnsSolver(
    {
      id: `rfc2136 ${server.host}:${server.port}`,
      findZones:
        ({ lookups }) =>
        async (dnsName) => {
          if (fixed === undefined) return zoneInDns(dnsName, lookups);
          if (dnsName === fixed || dnsName.endsWith(`.${fixed}`)) return fixed;
          const message = `${dnsName} is not in the zone ${fixed}. Correct "zone", or leave it out.`;
          throw new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', message);
        },
      add: (values, { signal }) => sendUpdates(updatesOf('add', values), { updater, zone: values.zone, signal }),
      remove: (values, { signal }) => sendUpdates(updatesOf('remove', values), { updater, zone: values.zone, signal }),
    },
    options,
  );
}

/** The solver of settings in the configuration. Throws where a secret is not set. */
export function createFromSettings(settings: Rfc2136Settings, { resolveSecret }: Surroundings): Solver {
  const { key } = settings;
  return createRfc2136Solver({ ...settings, key: { ...key, secret: resolveSecret(key.secret) } });
}
