/** The steps of an issuance by hand. */
import { createHash, X509Certificate } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Answers } from './answers.builders.ts';
import { type CsrOptions, createRawCsr } from './csr.builders.ts';
import type { RawAnswer, RawChallenge, RawClient } from './raw-client.builders.ts';

/** Token and thumbprint (RFC 8555 §8.1). */
export function keyAuthorization({ key }: RawClient, { token }: RawChallenge): string {
  return `${token ?? ''}.${key.thumbprint}`;
}

/** What stands in a TXT record for a key authorization (RFC 8555 §8.4). */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** The `_LABEL` of an account for dns-account-01, written as the draft has it: base32 of ten bytes. */
function accountLabel(accountUrl: string): string {
  const bytes = createHash('sha256').update(accountUrl).digest().subarray(0, 10);
  let number = BigInt(`0x${bytes.toString('hex')}`);
  let text = '';
  for (let digits = 0; digits < 16; digits += 1, number >>= 5n) {
    text = `${'abcdefghijklmnopqrstuvwxyz234567'[Number(number & 31n)]}${text}`;
  }
  return `_${text}`;
}

/** Puts the answer to a challenge where the CA will look for it. */
export async function present(
  client: RawClient,
  { dns, pages, presentAlpn }: Answers,
  { type, value }: { readonly type: string; readonly value: string },
  challenge: RawChallenge,
): Promise<void> {
  const text = keyAuthorization(client, challenge);
  if (challenge.type === 'http-01') pages.set(`/.well-known/acme-challenge/${challenge.token}`, `${text}\n`);
  if (challenge.type === 'dns-01') dns.add(`_acme-challenge.${value}`, 'TXT', digestOf(text));
  if (challenge.type === 'dns-account-01') {
    dns.add(`${accountLabel(client.account)}._acme-challenge.${value}`, 'TXT', digestOf(text));
  }
  if (challenge.type === 'dns-persist-01') {
    const record = `ca.test; accounturi=${client.account}; policy=wildcard`;
    dns.add(`_validation-persist.${value}`, 'TXT', record);
  }
  if (challenge.type === 'tls-alpn-01') {
    const serverName = type === 'ip' ? `${value.split('.').toReversed().join('.')}.in-addr.arpa` : value;
    await presentAlpn(serverName, { keyAuthorization: text, names: [{ type: type === 'ip' ? 'ip' : 'dns', value }] });
  }
}

/** Reads a resource until it is in another state than these. */
export async function pollWhile(client: RawClient, url: string, ...states: readonly string[]): Promise<RawAnswer> {
  for (let tries = 0; tries < 600; tries += 1) {
    const answer = await client.post(url);
    if (!states.includes(String(answer.body.status))) return answer;
    await wait(20);
  }
  throw new Error(`${url} stays ${states.join(' or ')}`);
}

/** An identifier by its text: what has a letter in it is a name. */
export function identifier(value: string): { readonly type: string; readonly value: string } {
  return { type: /[a-z]/.test(value) && !value.includes(':') ? 'dns' : 'ip', value };
}

/** Makes an order. */
export function order(client: RawClient, names: readonly string[], more: object = {}): Promise<RawAnswer> {
  return client.post(client.url('newOrder'), { identifiers: names.map(identifier), ...more });
}

/** Meets one challenge of each authorization of an order, and waits for the CA to say so. */
export async function prove(client: RawClient, answers: Answers, made: RawAnswer, type: string): Promise<void> {
  for (const url of made.body.authorizations ?? []) {
    const { body } = await client.post(url);
    if (body.status === 'valid') continue;
    const challenge = body.challenges?.find((each) => each.type === type);
    if (!challenge || !body.identifier) throw new Error(`${type} is not offered at ${url}`);
    await present(client, answers, body.identifier, challenge);
    await client.post(challenge.url, {});
    await pollWhile(client, url, 'pending');
  }
}

/** Finalizes an order with a CSR for its names, or with another one. */
export async function finalize(client: RawClient, made: RawAnswer, csr: CsrOptions = csrFor(made)): Promise<RawAnswer> {
  const { der } = await createRawCsr(csr);
  return client.post(String(made.body.finalize), { csr: der.toString('base64url') });
}

function csrFor({ body }: RawAnswer): CsrOptions {
  const of = (type: string) => (body.identifiers ?? []).filter((each) => each.type === type).map(({ value }) => value);
  return { names: of('dns'), ips: of('ip') };
}

/** A certificate with what led to it. */
export interface RawIssued {
  readonly orderUrl: string;
  readonly certificateUrl: string;
  /** The default chain. */
  readonly pem: string;
  readonly answer: RawAnswer;
}

/** Gets a certificate: order, challenges, CSR, download. */
export async function issue(
  client: RawClient,
  answers: Answers,
  names: readonly string[],
  { type = 'dns-01', order: more = {}, csr }: { type?: string; order?: object; csr?: CsrOptions } = {},
): Promise<RawIssued> {
  const made = await order(client, names, more);
  if (made.status !== 201) throw new Error(`the order was refused: ${made.text}`);
  const orderUrl = String(made.headers.location);
  await prove(client, answers, made, type);
  const submitted = await finalize(client, made, csr);
  if (submitted.status !== 200) throw new Error(`finalization was refused: ${submitted.text}`);
  const { body } = await pollWhile(client, orderUrl, 'processing', 'ready', 'pending');
  const answer = await client.post(String(body.certificate));
  return { orderUrl, certificateUrl: String(body.certificate), pem: answer.text, answer };
}

/** Certificates of a PEM chain. */
export function chainOf(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}
