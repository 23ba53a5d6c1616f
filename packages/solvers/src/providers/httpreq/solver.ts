/** Answers dns-01 by a server for lego's httpreq protocol. */
import type { Solver } from '@certbus/acme';
import type { Surroundings } from '../../definition/provider.ts';
import { parseApiUrl } from '../../dns/api-url.ts';
import { eachFew, type OneValue, singleValues } from '../../dns/each-value.ts';
import { apiFailure, callApi, type HttpApi, type NetworkOptions } from '../../dns/http-api.ts';
import type { DnsOptions } from '../../dns/options.ts';
import { createDnsSolver } from '../../dns/solver.ts';
import { zoneInDns } from '../../dns/zone-of.ts';
import type { HttpReqSettings } from './settings.ts';

/** Which server of lego's httpreq protocol, and how it is spoken to. */
export interface HttpReqOptions extends DnsOptions, NetworkOptions {
  /** Where `/present` and `/cleanup` are below. */
  readonly url: string;
  /** `default` sends name and value; `raw` domain, token and key authorization, and leaves CNAMEs to the server. Default `default`. */
  readonly mode?: 'default' | 'raw' | undefined;
  /** For basic authentication, with `password`. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

const PARALLEL = 4;

/** What nobody may be told; a server that repeats the header tells it in base64. */
function credentialsOf({ username, password }: HttpReqOptions): Pick<HttpApi, 'headers' | 'secrets'> {
  if (password === undefined) return { headers: {}, secrets: [] };
  const basic = Buffer.from(`${username ?? ''}:${password}`).toString('base64');
  return { headers: { authorization: `Basic ${basic}` }, secrets: [basic, password] };
}

/**
 * Answers dns-01 by a server that speaks the httpreq protocol of lego (go-acme.github.io/lego/dns/httpreq): `POST /present` and
 * `POST /cleanup`, with `{fqdn, value}` or `{domain, token, keyAuth}`, and any status 2xx as success. Requests are sent again while the
 * server is busy (429, 503) or the network fails, so presenting what is there and taking away what is gone must be no error there.
 * Throws `TypeError` for an URL with credentials. Operations reject with `CERTBUS_ACME_ZONE_NOT_FOUND`, where DNS has no zone for
 * a name, or `CERTBUS_ACME_SOLVER_FAILED`.
 */
export function createHttpReqSolver(options: HttpReqOptions): Solver {
  const { url, mode = 'default', outgoing, roots, ...dns } = options;
  const { origin } = parseApiUrl(url);
  const { headers, secrets } = credentialsOf(options);
  const title = `the httpreq server (${origin})`;

  async function post(action: 'present' | 'cleanup', each: OneValue, signal: AbortSignal): Promise<void> {
    const { name, value, challenge } = each;
    const { token, keyAuthorization } = challenge;
    const api = { title, url, headers, secrets: [...secrets, keyAuthorization, token], network: { outgoing, roots } };
    const body =
      mode === 'raw' ? { domain: challenge.name, token, keyAuth: keyAuthorization } : { fqdn: `${name}.`, value };
    const attempt = `${action === 'present' ? 'Presenting' : 'Cleaning up'} the TXT value of ${name}`;
    const { status, said } = await callApi(api, { attempt, method: 'POST', path: `/${action}`, body, signal });
    if (status < 300) return;
    if (status === 401 || status === 403) {
      throw apiFailure(api, attempt, `it refuses the credentials (HTTP ${status}). Correct "username" and "password".`);
    }
    const hint = status === 404 ? `Is ${mode} its mode, and does it have /${action} below "url"?` : 'See its log.';
    throw apiFailure(api, attempt, `it answers with HTTP ${status}: ${said || 'nothing more'}. ${hint}`);
  }

  return createDnsSolver(
    {
      id: `httpreq ${url}`,
      findZones:
        ({ lookups }) =>
        async (name) =>
          // The server is not told the zone: it is needed only for the name servers to ask.
          dns.nameServers === false ? name : zoneInDns(name, lookups),
      add: (values, { signal }) =>
        eachFew(singleValues(values), { parallel: PARALLEL, goOn: false }, (each) => post('present', each, signal)),
      remove: (values, { signal }) =>
        eachFew(singleValues(values), { parallel: PARALLEL, goOn: true }, (each) => post('cleanup', each, signal)),
      makesNames: mode === 'raw',
    },
    dns,
  );
}

/** The solver of settings in the configuration. Throws where a secret is not set. */
export function createFromSettings(settings: HttpReqSettings, { resolveSecret, outgoing }: Surroundings): Solver {
  const password = settings.password === undefined ? undefined : resolveSecret(settings.password);
  return createHttpReqSolver({ ...settings, outgoing, password });
}
