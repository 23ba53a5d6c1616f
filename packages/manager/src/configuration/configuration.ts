/** The configuration on the bus: its fields, and the schema that checks them. */
import type { MacAlgorithm } from '@certbus/acme';
import {
  type DnsSettings,
  flag,
  httpUrl,
  nonEmpty,
  pem,
  port,
  type Secret,
  secret,
  servers,
  serversOrNone,
} from '@certbus/solvers';
import * as v from 'valibot';
import { ManagerError } from '../errors.ts';
import { type AlertSink, alertSinks } from './alert-sinks.ts';
import { dnsSettings } from './dns-settings.ts';
import { isDuration } from './duration.ts';
import { type ConfiguredLimits, configuredLimits } from './limits.ts';

/** A CA, by its ACME directory. */
export interface CertificateAuthority {
  readonly directory: string;
  readonly contact?: readonly string[] | undefined;
  readonly termsOfServiceAgreed: boolean;
  /** PEM of a private CA's roots, for its own TLS; `null` or absent: the public ones. */
  readonly roots?: string | null | undefined;
  /** External account binding (RFC 8555 section 7.3.4). */
  readonly eab?:
    | { readonly kid: string; readonly hmacKey: Secret; readonly algorithm?: MacAlgorithm | undefined }
    | undefined;
  /** The chain to serve where the CA has several: name of its root, or SHA-256 fingerprint of an issuer in it. */
  readonly preferredChain?: string | undefined;
  /** `first`: requests have their first DNS name as the common name, for a CA that wants one. Default: they have no subject. */
  readonly commonName?: 'first' | undefined;
  /** Where the CA has no such profile any more: fail, the default, or take the CA's own choice. */
  readonly ifProfileMissing?: 'fail' | 'default' | undefined;
  /** Name of the authority at which an order is tried first once a certificate has failed twice in a row. */
  readonly staging?: string | undefined;
  /** Name of the authority that is asked where this one keeps failing, or is down when a certificate cannot wait. */
  readonly fallback?: string | undefined;
  /** What it allows, where that is not what it publishes: another CA's limits, or an override that was granted. */
  readonly limits?: ConfiguredLimits | undefined;
}

/** A bucket whose objects answer HTTP-01. */
export interface S3Settings {
  readonly bucket: string;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  /** Where absent, the environment's credentials. */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: Secret | undefined;
}

/** How HTTP-01 is answered. */
export interface Http01Settings {
  /** By every load balancer that follows the bus, by the manager itself on a port of its machine, or from a bucket. */
  readonly answer:
    | 'clients'
    | { readonly standalone: { readonly port?: number | undefined; readonly address?: string | undefined } }
    | { readonly s3: S3Settings };
  /** Port that the CA connects to; 80 unless a private CA says otherwise. */
  readonly port?: number | undefined;
  /** `ADDRESS:PORT` of the name servers that the manager's own probe asks; the system's where absent. */
  readonly resolver?: readonly string[] | undefined;
  /** Whether the manager looks at the answers before the CA does; default true. `false` where it cannot reach the names' addresses. */
  readonly probe?: boolean | undefined;
}

/** How the manager looks at TLS-ALPN-01 answers, which every attached load balancer gives. */
export interface TlsAlpn01Settings {
  /** Port that the CA connects to; 443 unless a private CA says otherwise. */
  readonly port?: number | undefined;
  /** As in {@link Http01Settings}. */
  readonly resolver?: readonly string[] | undefined;
  /** As in {@link Http01Settings}; clients then get fifteen seconds to hear of a challenge. */
  readonly probe?: boolean | undefined;
}

/** How the manager looks at the standing records of dns-persist-01. */
export interface DnsPersist01Settings {
  /** Resolvers that are asked for aliases, zones and name servers; the system's where absent. */
  readonly resolver?: readonly string[] | undefined;
  /** `ADDRESS:PORT` of the servers that must show the records; those that DNS names where absent. `false`: only the CA looks. */
  readonly nameServers?: readonly string[] | false | undefined;
}

/** The configuration as it is on the bus, sealed to the managers. */
export interface Configuration {
  readonly version: 1;
  readonly authorities: Readonly<Record<string, CertificateAuthority>>;
  readonly defaultAuthority: string;
  readonly dns?: readonly DnsSettings[] | undefined;
  readonly http01?: Http01Settings | undefined;
  /** Days for which names that a CA refuses are tried again once nothing is left to serve; default 30. */
  readonly giveUpAfterDays?: number | undefined;
  /** How many orders a manager has under way at most; default 20. */
  readonly parallelOrders?: number | undefined;
  readonly tlsAlpn01?: TlsAlpn01Settings | undefined;
  readonly dnsPersist01?: DnsPersist01Settings | undefined;
  /**
   * Whether certificates are set aside whose names left our control, by what the resolvers answer; `false`: never. `resolver`: asked in place of those that are
   * configured for challenges. `nameServers`: by domain, those that must serve it.
   */
  readonly quarantine?:
    | false
    | {
        readonly resolver?: readonly string[] | undefined;
        readonly nameServers?: Readonly<Record<string, readonly string[]>> | undefined;
      }
    | undefined;
  /** A dead man's switch: `url` is fetched after every successful run, of which there is one at least each `within`, such as `2h`; default 24 hours. */
  readonly checkIn?: { readonly url: string; readonly within?: string | undefined } | undefined;
  /** Where alerts are sent, by the name of the place. */
  readonly alerts?: Readonly<Record<string, AlertSink>> | undefined;
}

const macAlgorithm = v.picklist(['HS256', 'HS384', 'HS512'], 'must be HS256, HS384 or HS512');

const authority = v.strictObject({
  directory: v.pipe(httpUrl, v.check(isSafeDirectory, 'must be an https URL (http only for this machine)')),
  contact: v.optional(v.array(v.pipe(nonEmpty, v.regex(/^mailto:/, 'must begin with mailto:')), 'must be a list')),
  termsOfServiceAgreed: v.literal(true, "must be true: read the CA's terms of service first"),
  roots: v.optional(v.nullable(pem)),
  eab: v.optional(v.strictObject({ kid: nonEmpty, hmacKey: secret, algorithm: v.optional(macAlgorithm) })),
  preferredChain: v.optional(nonEmpty),
  commonName: v.optional(v.literal('first', 'must be "first"')),
  ifProfileMissing: v.optional(v.picklist(['fail', 'default'], 'must be "fail" or "default"')),
  staging: v.optional(nonEmpty),
  fallback: v.optional(nonEmpty),
  limits: v.optional(configuredLimits),
});

const authorities = v.pipe(
  v.record(v.string(), authority),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const [name, value] of Object.entries(dataset.value)) {
      for (const field of ['staging', 'fallback'] as const) {
        const other = value[field];
        if (other === undefined || (other !== name && Object.hasOwn(dataset.value, other))) continue;
        const message = `must have as "${field}" of "${name}" the name of another of them`;
        addIssue({ message });
      }
    }
  }),
);

const s3 = v.strictObject({
  bucket: nonEmpty,
  region: v.optional(nonEmpty),
  endpoint: v.optional(httpUrl),
  accessKeyId: v.optional(nonEmpty),
  secretAccessKey: v.optional(secret),
});

const http01 = v.strictObject({
  answer: v.union(
    [
      v.literal('clients'),
      v.strictObject({ standalone: v.strictObject({ port: v.optional(port), address: v.optional(nonEmpty) }) }),
      v.strictObject({ s3 }),
    ],
    'must be "clients", {"standalone": {"port": …, "address": …}} or {"s3": {"bucket": …, "region": …}}',
  ),
  port: v.optional(port),
  resolver: v.optional(servers),
  probe: v.optional(flag),
});

const duration = v.pipe(
  v.string('must be a string'),
  v.check(isDuration, 'must be a time such as 2h, of seven days at most'),
);

/** The schema of a {@link Configuration}. */
export const configuration: v.GenericSchema<unknown, Configuration> = v.pipe(
  v.strictObject({
    version: v.literal(1, 'must be 1'),
    authorities,
    defaultAuthority: nonEmpty,
    dns: v.optional(v.array(dnsSettings, 'must be a list')),
    http01: v.optional(http01),
    parallelOrders: v.optional(
      v.pipe(v.number('must be a number'), v.integer('must be whole'), v.minValue(1, 'must be 1 or more')),
    ),
    giveUpAfterDays: v.optional(v.pipe(v.number('must be a number'), v.minValue(0, 'must be 0 or more'))),
    dnsPersist01: v.optional(v.strictObject({ resolver: v.optional(servers), nameServers: v.optional(serversOrNone) })),
    tlsAlpn01: v.optional(
      v.strictObject({ port: v.optional(port), resolver: v.optional(servers), probe: v.optional(flag) }),
    ),
    quarantine: v.optional(
      v.union(
        [
          v.literal(false),
          v.strictObject({
            resolver: v.optional(servers),
            nameServers: v.optional(v.record(nonEmpty, v.array(nonEmpty, 'must be a list'))),
          }),
        ],
        'must be false, or {"resolver": […], "nameServers": {"DOMAIN": […]}}',
      ),
    ),
    checkIn: v.optional(v.strictObject({ url: httpUrl, within: v.optional(duration) })),
    alerts: v.optional(alertSinks),
  }),
  v.forward(
    v.check(
      ({ authorities, defaultAuthority }) => Object.hasOwn(authorities, defaultAuthority),
      'must be one of the names in authorities',
    ),
    ['defaultAuthority'],
  ),
);

function isSafeDirectory(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/** Checks a configuration. Throws `CERTBUS_MANAGER_CONFIG_INVALID`, which names the JSON path and what belongs there. */
export function parseConfiguration(json: unknown): Configuration {
  const parsed = v.safeParse(configuration, json);
  if (parsed.success) return parsed.output;
  const problems = parsed.issues.slice(0, 5).map(describe);
  throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', `The configuration is refused: ${problems.join('; ')}.`);
}

function describe(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? 'the whole';
  if (issue.type === 'strict_object' && issue.expected === 'never') return `${path} is not a known field`;
  if (issue.received === 'undefined') return `${path} is missing`;
  const isOurs = !issue.message.startsWith('Invalid ');
  // The schema's own words for what is left repeat the value, which may be a secret.
  return isOurs
    ? `${path} ${issue.message}`
    : `${path} must be ${issue.expected === 'Object' ? 'an object' : issue.expected}`;
}
