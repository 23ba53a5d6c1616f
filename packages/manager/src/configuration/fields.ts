import * as v from 'valibot';

/** A secret in the configuration: the text itself, or the environment variable that holds it. */
export type Secret = string | { readonly env: string };

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol);
}

/** What stands there is shown with the configuration, and in errors of whatever reads the address. */
function hasNoCredentials(text: string): boolean {
  const url = URL.parse(text);
  return !url?.username && !url?.password;
}

/** A text that says something. */
export const nonEmpty: v.GenericSchema<string> = v.pipe(v.string('must be a text'), v.nonEmpty('must not be empty'));

/** An address by http or https. */
export const httpUrl: v.GenericSchema<string> = v.pipe(
  nonEmpty,
  v.check(isHttpUrl, 'must be an http or https URL'),
  v.check(hasNoCredentials, 'must hold no user name or password'),
);

/** A {@link Secret}. */
export const secret: v.GenericSchema<unknown, Secret> = v.union(
  [
    nonEmpty,
    v.strictObject({ env: v.pipe(nonEmpty, v.regex(/^CERTBUS_SECRET_\w+$/, 'must begin with CERTBUS_SECRET_')) }),
  ],
  'must be a text or {"env": "CERTBUS_SECRET_…"}',
);

const PORT = 'must be a number from 1 to 65535';

/** A port. */
export const port: v.GenericSchema<number> = v.pipe(
  v.number(PORT),
  v.integer(PORT),
  v.minValue(1, PORT),
  v.maxValue(65_535, PORT),
);

/** Name servers, one at least. */
export const servers: v.GenericSchema<string[]> = v.pipe(
  v.array(nonEmpty, 'must be a list of servers'),
  v.nonEmpty('must name at least one server'),
);

/** Certificates. */
export const pem: v.GenericSchema<string> = v.pipe(nonEmpty, v.includes('-----BEGIN CERTIFICATE-----', 'must be PEM'));
