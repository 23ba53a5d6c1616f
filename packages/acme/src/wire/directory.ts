/** The directory of a CA: its URL, and the object behind it that names the CA's resources. */
import { AcmeError } from '../errors.ts';
import { isRecord, textOf } from './json.ts';

/** A CA's directory object (RFC 8555 §7.1.1, RFC 9773 §4.1, and `profiles` of draft-ietf-acme-profiles). */
export interface DirectoryObject {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  readonly revokeCert?: string;
  readonly keyChange?: string;
  readonly renewalInfo?: string;
  readonly meta: {
    readonly termsOfService?: string;
    readonly profiles: Readonly<Record<string, string>>;
    readonly externalAccountRequired: boolean;
    /** Names that stand for this CA in CAA records (RFC 8555 §9.7.6). */
    readonly caaIdentities: readonly string[];
  };
}

const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/;

function invalid(message: string): AcmeError {
  return new AcmeError('CERTBUS_ACME_DIRECTORY_INVALID', message);
}

/** Whether a URL has a user name or a password, which would be logged and shown with it. */
export const hasCredentials = ({ username, password }: URL): boolean => username !== '' || password !== '';

/** Text that is not a URL, without what may be a password in it. */
const withoutCredentials = (text: string): string => text.replace(/^([^/]*\/\/).*@/, '$1…@');

/** Checks a directory URL: https, or http on loopback. Throws `CERTBUS_ACME_DIRECTORY_INVALID`. */
export function parseDirectoryUrl(directory: string): URL {
  const url = URL.parse(directory);
  if (!url)
    throw invalid(
      `"${withoutCredentials(directory)}" is not a URL. Give the CA's directory, such as https://ca.example/directory.`,
    );
  if (hasCredentials(url)) throw invalid(`The directory ${url.origin} must not carry a user name or password.`);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname))) return url;
  throw invalid(`The directory ${directory} must be https: a CA is trusted over TLS only.`);
}

/** The given URL if it is at the directory's origin, without credentials. Throws `CERTBUS_ACME_NOT_ACME`: a CA never points elsewhere. */
export function checkOrigin(url: unknown, directory: string): string {
  const parsed = typeof url === 'string' ? URL.parse(url) : null;
  const { origin } = new URL(directory);
  if (parsed && hasCredentials(parsed)) {
    const message = `The CA at ${directory} points to ${parsed.origin} with a user name or password in the URL. No CA needs one; nothing is sent there.`;
    throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
  }
  if (parsed?.origin === origin) return parsed.href;
  const where = parsed ? parsed.origin : 'something that is not a URL';
  const message = `The CA at ${directory} points to ${where}; requests go to ${origin} only.`;
  throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
}

function parseProfiles(value: unknown): Record<string, string> {
  if (!isRecord(value)) return {};
  const entries = Object.entries(value).slice(0, 100);
  return Object.fromEntries(entries.map(([name, text]) => [textOf(name, 100) ?? '', textOf(text, 500) ?? '']));
}

function parseCaaIdentities(value: unknown): string[] {
  const names = Array.isArray(value) ? value.slice(0, 20) : [];
  return names.filter((name) => typeof name === 'string' && /^[a-z0-9.-]{1,253}$/i.test(name));
}

/** Reads a directory object; every address in it must be at the same origin. Throws `CERTBUS_ACME_NOT_ACME`. */
export function parseDirectory(body: unknown, directory: string): DirectoryObject {
  const fields = isRecord(body) ? body : {};
  const missing = ['newNonce', 'newAccount', 'newOrder'].filter((field) => typeof fields[field] !== 'string');
  if (missing.length > 0) {
    const message = `${directory} is not an ACME directory: it lacks ${missing.join(', ')}. Check the address.`;
    throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
  }
  const meta = isRecord(fields.meta) ? fields.meta : {};
  const terms = textOf(meta.termsOfService, 1000);
  const optional = (['revokeCert', 'keyChange', 'renewalInfo'] as const).filter((name) => fields[name] !== undefined);
  return {
    newNonce: checkOrigin(fields.newNonce, directory),
    newAccount: checkOrigin(fields.newAccount, directory),
    newOrder: checkOrigin(fields.newOrder, directory),
    ...Object.fromEntries(optional.map((name) => [name, checkOrigin(fields[name], directory)])),
    meta: {
      ...(terms ? { termsOfService: terms } : {}),
      profiles: parseProfiles(meta.profiles),
      externalAccountRequired: meta.externalAccountRequired === true,
      caaIdentities: parseCaaIdentities(meta.caaIdentities),
    },
  };
}
