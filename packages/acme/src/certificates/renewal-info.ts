/** When a CA wants a certificate renewed (RFC 9773). */
import type { Acme } from '../acme.ts';
import { AcmeError } from '../errors.ts';
import type { Resource } from '../wire/engine.ts';
import { engineOf } from '../wire/handles.ts';
import { instantOf, isRecord, textOf } from '../wire/json.ts';
import { childOf, readDer } from '../x509/der.ts';

/** When a CA wants a certificate renewed (RFC 9773 §4.2). */
export interface RenewalInfo {
  readonly start: Date;
  readonly end: Date;
  /** Ask again at this instant, neither earlier nor much later. */
  readonly retryAt: Date;
  /** A page that says why; show it to the operator. */
  readonly explanationUrl?: string;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const DEFAULT_RETRY_MS = 6 * 3_600_000;
/** A page for people has a shorter address; one that is longer is left out, since a part of it leads elsewhere. */
const LONGEST_URL = 2_000;

const EXTENSIONS = 0xa3;
/** DER of id-ce-authorityKeyIdentifier, 2.5.29.35. */
const AUTHORITY_KEY_IDENTIFIER = Buffer.from([0x55, 0x1d, 0x23]);

function keyIdentifierOf(fields: readonly { tag: number; content: Uint8Array }[]): Uint8Array | undefined {
  const extensions = fields.find(({ tag }) => tag === EXTENSIONS);
  if (!extensions) return undefined;
  for (const extension of readDer(childOf(extensions.content).content)) {
    const [type, ...rest] = readDer(extension.content);
    const value = rest.at(-1) ?? type;
    if (!type || !value || !AUTHORITY_KEY_IDENTIFIER.equals(type.content)) continue;
    return readDer(childOf(value.content).content).find(({ tag }) => tag === 0x80)?.content;
  }
  return undefined;
}

/**
 * Identifier of a certificate for renewal information and `replaces` (RFC 9773 §4.1): key identifier of its issuer and serial
 * number as they stand in the DER, so a serial keeps its leading zero byte. Throws `TypeError` where the bytes are not a certificate,
 * or one without an authority key identifier.
 */
export function certificateId(leafDer: Uint8Array): string {
  try {
    const fields = readDer(childOf(leafDer, 0).content);
    // The version comes first only where it is not 1.
    const serial = fields.find(({ tag }) => tag === 0x02)?.content;
    const keyIdentifier = keyIdentifierOf(fields);
    if (serial && keyIdentifier) {
      return `${Buffer.from(keyIdentifier).toString('base64url')}.${Buffer.from(serial).toString('base64url')}`;
    }
  } catch (cause) {
    throw new TypeError('Not a certificate in DER', { cause });
  }
  throw new TypeError('The certificate has no authority key identifier, so RFC 9773 cannot name it');
}

function retryAtOf(retryAfter: Date | undefined, now: Date): Date {
  const wanted = retryAfter?.getTime() ?? now.getTime() + DEFAULT_RETRY_MS;
  return new Date(Math.min(Math.max(wanted, now.getTime() + MINUTE_MS), now.getTime() + DAY_MS));
}

/** The address of the page that says why, as it is printed; `undefined` where there is none that can be shown. */
function pageOf(value: unknown): string | undefined {
  const text = textOf(value, LONGEST_URL + 1) ?? '';
  const page = text.length > LONGEST_URL ? null : URL.parse(text);
  const isPage = page?.protocol === 'https:' || page?.protocol === 'http:';
  // Its characters can have become several each.
  return page && isPage && page.href.length <= LONGEST_URL ? page.href : undefined;
}

/** Reads renewal information. Throws `CERTBUS_ACME_NOT_ACME` where the window is missing or ends before it starts. */
export function parseRenewalInfo({ url, body, retryAfter }: Resource, now: Date): RenewalInfo {
  const fields = isRecord(body) ? body : {};
  const window = isRecord(fields.suggestedWindow) ? fields.suggestedWindow : {};
  const [start, end] = [instantOf(window.start), instantOf(window.end)];
  if (!start || !end || end <= start) {
    const message = `The renewal information ${url} has no usable window. Renew by the certificate's lifetime instead.`;
    throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
  }
  const explanationUrl = pageOf(fields.explanationURL);
  return { start, end, retryAt: retryAtOf(retryAfter, now), ...(explanationUrl ? { explanationUrl } : {}) };
}

/**
 * Asks the CA when to renew a certificate (RFC 9773). `retryAt` lies between a minute and a day ahead, six hours where the CA does
 * not say. Resolves `undefined` where the CA has no renewal information. Rejects with `CERTBUS_ACME_NOT_ACME` for a window that
 * makes no sense, otherwise as `readDirectory` does; none of it must hold up a renewal.
 */
export async function renewalInfo(
  ca: Acme,
  leafDer: Uint8Array,
  { signal }: { readonly signal: AbortSignal },
): Promise<RenewalInfo | undefined> {
  const id = certificateId(leafDer);
  const engine = engineOf(ca);
  using session = await engine.open({ signal });
  const { renewalInfo: base } = await session.readDirectory();
  if (!base) return undefined;
  return parseRenewalInfo(await session.get(`${base.replace(/\/$/, '')}/${id}`), engine.now());
}
