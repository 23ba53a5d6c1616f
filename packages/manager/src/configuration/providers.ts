import { type DnsSettings, fieldsOf, type ProviderName, providerNames } from './dns-settings.ts';
import { secret } from './fields.ts';

type SettingsOf<Name extends ProviderName> = Extract<DnsSettings, { readonly provider: Name }>;
type FieldOf<Name extends ProviderName> = Exclude<keyof SettingsOf<Name>, 'provider'>;

/** One field of a provider's settings. */
export interface ProviderField {
  readonly name: string;
  readonly isRequired: boolean;
  /** Whether it is, or holds, a secret: a text, or `{"env": "CERTBUS_SECRET_…"}`. */
  readonly isSecret: boolean;
  readonly description: string;
}

/** What an operator has to know of a DNS provider to configure it. */
export interface Provider {
  readonly name: ProviderName;
  readonly summary: string;
  readonly fields: readonly ProviderField[];
  /** Settings as they stand in the configuration under `dns`. */
  readonly example: DnsSettings;
}

interface Description<Name extends ProviderName> {
  readonly summary: string;
  readonly fields: Readonly<Record<FieldOf<Name>, string>>;
  readonly example: SettingsOf<Name>;
}

const zones = 'domains; the longest that fits a name counts, "*" fits all';
const roots = "PEM of a private CA's roots, for the TLS of the API";
const lookup = {
  zones,
  resolver: "ADDRESS or ADDRESS:PORT of the resolvers to ask; the system's where absent",
  nameServers:
    'servers that must show an answer; those of the zone where absent, false where none can be asked from here',
};

const DESCRIPTIONS: { readonly [Name in ProviderName]: Description<Name> } = {
  route53: {
    summary: 'Amazon Route 53',
    fields: {
      ...lookup,
      zoneId: 'the hosted zone; needed only where two public zones have one name',
      region: 'default us-east-1, where Route 53 is',
      endpoint: 'another address of the API',
      accessKeyId: "where absent, the environment's credentials",
      secretAccessKey: 'goes with accessKeyId',
    },
    example: { zones: ['example.com'], provider: 'route53' },
  },
  cloudflare: {
    summary: 'Cloudflare',
    fields: { ...lookup, token: 'an API token with Zone.DNS:Edit and Zone.Zone:Read' },
    example: { zones: ['example.com'], provider: 'cloudflare', token: { env: 'CERTBUS_SECRET_CLOUDFLARE' } },
  },
  rfc2136: {
    summary: 'dynamic updates signed by TSIG: BIND, Knot DNS and others',
    fields: {
      ...lookup,
      server: "the zone's primary: HOST, HOST:PORT or [IPV6]:PORT",
      key: 'name, algorithm (hmac-sha256, hmac-sha384 or hmac-sha512) and secret (base64) of the TSIG key',
      zone: 'the zone of all names; found in DNS where absent',
      transport: 'udp (then tcp where an answer is cut off) or tcp',
    },
    example: {
      zones: ['example.com'],
      provider: 'rfc2136',
      server: 'ns1.example.com',
      key: { name: 'certbus', algorithm: 'hmac-sha256', secret: { env: 'CERTBUS_SECRET_TSIG' } },
    },
  },
  powerdns: {
    summary: 'PowerDNS Authoritative Server, by its API',
    fields: { ...lookup, url: 'address of the API', apiKey: 'its api-key', serverId: 'default localhost', roots },
    example: {
      zones: ['example.com'],
      provider: 'powerdns',
      url: 'https://ns1.example.com:8081',
      apiKey: { env: 'CERTBUS_SECRET_POWERDNS' },
    },
  },
  'acme-dns': {
    summary: 'acme-dns, which names point to by CNAME',
    fields: { ...lookup, url: 'address of its API', roots, accounts: 'what registering answered, one for each name' },
    example: {
      zones: ['*'],
      provider: 'acme-dns',
      url: 'https://auth.example.com',
      accounts: [
        {
          fulldomain: '8e5700ea.auth.example.com',
          subdomain: '8e5700ea',
          username: 'c36f50e8',
          password: { env: 'CERTBUS_SECRET_ACME_DNS' },
        },
      ],
    },
  },
  httpreq: {
    summary: "a server that speaks lego's httpreq protocol",
    fields: {
      ...lookup,
      url: 'where /present and /cleanup are below',
      mode: 'default (name and value) or raw (domain, token and key authorization)',
      username: 'for basic authentication',
      password: 'goes with username',
      roots,
    },
    example: {
      zones: ['example.com'],
      provider: 'httpreq',
      url: 'https://dns.example.net',
      username: 'certbus',
      password: { env: 'CERTBUS_SECRET_HTTPREQ' },
    },
  },
  exec: {
    summary: 'a program of this machine: your own, or one for lego, certbot or acme.sh',
    fields: { ...lookup, program: 'its name under "programs" in certbus.json, which says what it is' },
    example: { zones: ['example.com'], provider: 'exec', program: 'my-dns' },
  },
  challtestsrv: {
    summary: "the sandbox's DNS server, never for real names",
    fields: { zones, url: 'its management address' },
    example: { zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:8055' },
  },
};

interface Schema {
  readonly type: string;
  readonly wrapped?: unknown;
  readonly item?: unknown;
  readonly pipe?: readonly unknown[];
  readonly entries?: Readonly<Record<string, unknown>>;
}

/** Whether a secret lies anywhere in what a schema describes. */
function holdsSecret(schema: unknown): boolean {
  if (schema === secret) return true;
  const { wrapped, item, pipe = [], entries = {} } = (schema ?? {}) as Schema;
  return [wrapped, item, ...pipe.slice(0, 1), ...Object.values(entries)].some(
    (inner) => inner !== undefined && inner !== schema && holdsSecret(inner),
  );
}

function describe(name: ProviderName): Provider {
  const { summary, fields, example } = DESCRIPTIONS[name];
  const entries = fieldsOf(name);
  return {
    name,
    summary,
    example,
    fields: Object.entries(fields).map(([field, description]) => ({
      name: field,
      isRequired: (entries[field] as Schema | undefined)?.type !== 'optional',
      isSecret: holdsSecret(entries[field]),
      description,
    })),
  };
}

/** Every DNS provider that this release knows. */
export const PROVIDERS: readonly Provider[] = providerNames.map(describe);
