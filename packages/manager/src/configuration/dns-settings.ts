import * as v from 'valibot';
import { httpUrl, nonEmpty, pem, type Secret, secret, servers } from './fields.ts';

/** What settings of every provider have. */
interface DnsLookupSettings {
  readonly zones: readonly string[];
  /** `ADDRESS` or `ADDRESS:PORT` of the resolvers that say where names, zones and name servers are; the system's where absent. */
  readonly resolver?: readonly string[] | undefined;
  /** Servers that must show an answer: those of the zone's NS records where absent; `false` where none can be asked from here. */
  readonly nameServers?: readonly string[] | false | undefined;
}

/** Answers in Route 53. */
export interface Route53Settings extends DnsLookupSettings {
  readonly provider: 'route53';
  readonly zoneId?: string | undefined;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: Secret | undefined;
}

/** Answers at Cloudflare. */
export interface CloudflareSettings extends DnsLookupSettings {
  readonly provider: 'cloudflare';
  readonly token: Secret;
}

/** Answers by signed dynamic updates (RFC 2136, RFC 8945). */
export interface Rfc2136Settings extends DnsLookupSettings {
  readonly provider: 'rfc2136';
  /** The primary server: `HOST`, `HOST:PORT` or `[IPV6]:PORT`. */
  readonly server: string;
  readonly key: {
    readonly name: string;
    readonly algorithm?: 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512' | undefined;
    /** In base64. */
    readonly secret: Secret;
  };
  /** The zone of all names; found in DNS where absent. */
  readonly zone?: string | undefined;
  readonly transport?: 'udp' | 'tcp' | undefined;
}

/** Answers in a PowerDNS Authoritative Server. */
export interface PowerDnsSettings extends DnsLookupSettings {
  readonly provider: 'powerdns';
  readonly url: string;
  readonly apiKey: Secret;
  readonly serverId?: string | undefined;
  /** PEM of a private CA's roots, for the TLS of the API. */
  readonly roots?: string | undefined;
}

/** Answers by an acme-dns, which names point to by CNAME. */
export interface AcmeDnsSettings extends DnsLookupSettings {
  readonly provider: 'acme-dns';
  readonly url: string;
  /** PEM of a private CA's roots, for the TLS of the API. */
  readonly roots?: string | undefined;
  readonly accounts: readonly {
    readonly fulldomain: string;
    readonly subdomain: string;
    readonly username: string;
    readonly password: Secret;
  }[];
}

/** Answers by a server that speaks lego's httpreq protocol. */
export interface HttpReqSettings extends DnsLookupSettings {
  readonly provider: 'httpreq';
  readonly url: string;
  /** What the server is told: name and value, or domain, token and key authorization. Default `default`. */
  readonly mode?: 'default' | 'raw' | undefined;
  readonly username?: string | undefined;
  readonly password?: Secret | undefined;
  /** PEM of a private CA's roots, for the TLS of the server. */
  readonly roots?: string | undefined;
}

/** Answers by a program of the manager's machine. */
export interface ExecSettings extends DnsLookupSettings {
  readonly provider: 'exec';
  /** Its name under `programs` in the machine's own `certbus.json`, which alone says what it is. */
  readonly program: string;
}

/** Where DNS-01 answers for some zones are written. */
export type DnsSettings =
  | Route53Settings
  | CloudflareSettings
  | Rfc2136Settings
  | PowerDnsSettings
  | AcmeDnsSettings
  | HttpReqSettings
  | ExecSettings
  | { readonly zones: readonly string[]; readonly provider: 'challtestsrv'; readonly url: string };

const zones = v.pipe(
  v.array(nonEmpty, 'must be a list of domains'),
  v.nonEmpty('must name at least one zone, or "*" for all'),
);
const lookup = {
  zones,
  resolver: v.optional(servers),
  nameServers: v.optional(v.union([servers, v.literal(false)], 'must be a list of servers, or false')),
};

const route53 = v.strictObject({
  ...lookup,
  provider: v.literal('route53'),
  zoneId: v.optional(nonEmpty),
  region: v.optional(nonEmpty),
  endpoint: v.optional(httpUrl),
  accessKeyId: v.optional(nonEmpty),
  secretAccessKey: v.optional(secret),
});

const rfc2136 = v.strictObject({
  ...lookup,
  provider: v.literal('rfc2136'),
  server: nonEmpty,
  key: v.strictObject({
    name: nonEmpty,
    algorithm: v.optional(
      v.picklist(['hmac-sha256', 'hmac-sha384', 'hmac-sha512'], 'must be hmac-sha256, hmac-sha384 or hmac-sha512'),
    ),
    secret,
  }),
  zone: v.optional(nonEmpty),
  transport: v.optional(v.picklist(['udp', 'tcp'], 'must be udp or tcp')),
});

const account = v.strictObject({ fulldomain: nonEmpty, subdomain: nonEmpty, username: nonEmpty, password: secret });

const cloudflare = v.strictObject({ ...lookup, provider: v.literal('cloudflare'), token: secret });

const powerDns = v.strictObject({
  ...lookup,
  provider: v.literal('powerdns'),
  url: httpUrl,
  apiKey: secret,
  serverId: v.optional(nonEmpty),
  roots: v.optional(pem),
});

const acmeDns = v.strictObject({
  ...lookup,
  provider: v.literal('acme-dns'),
  url: httpUrl,
  roots: v.optional(pem),
  accounts: v.pipe(v.array(account, 'must be a list of accounts'), v.nonEmpty('must have at least one account')),
});

const httpReq = v.pipe(
  v.strictObject({
    ...lookup,
    provider: v.literal('httpreq'),
    url: httpUrl,
    mode: v.optional(v.picklist(['default', 'raw'], 'must be default or raw')),
    username: v.optional(nonEmpty),
    password: v.optional(secret),
    roots: v.optional(pem),
  }),
  v.forward(
    v.check(({ username, password }) => (username === undefined) === (password === undefined), 'goes with username'),
    ['password'],
  ),
);

const exec = v.strictObject({ ...lookup, provider: v.literal('exec'), program: nonEmpty });

const challTestSrv = v.strictObject({ zones, provider: v.literal('challtestsrv'), url: httpUrl });

const providers = [route53, cloudflare, rfc2136, powerDns, acmeDns, httpReq, exec, challTestSrv] as const;

/** The name of a DNS provider. */
export type ProviderName = DnsSettings['provider'];

/** Every provider, in the order in which they are listed. */
export const providerNames: readonly ProviderName[] = providers.map(({ entries }) => entries.provider.literal);

/** The schema of each field of a provider's settings. */
export function fieldsOf(provider: ProviderName): Readonly<Record<string, unknown>> {
  return providers.find(({ entries }) => entries.provider.literal === provider)?.entries ?? {};
}

/** Settings of one provider. */
export const dnsSettings: v.GenericSchema<unknown, DnsSettings> = v.variant(
  'provider',
  [...providers],
  `must have a provider that this release knows: ${providerNames.join(', ')}`,
);
