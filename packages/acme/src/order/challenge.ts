/** The challenges of a CA, and what a solver is given to answer one. */
import { createHash } from 'node:crypto';
import { AcmeError } from '../errors.ts';
import type { PresentedChallenge, SolvableChallenge } from '../solver/solver.ts';
import { hasCredentials } from '../wire/directory.ts';
import { isRecord, textOf } from '../wire/json.ts';
import { type Problem, parseProblem } from '../wire/problem.ts';
import { recordFor } from './persistent-record.ts';

/** A challenge as a CA offers it (RFC 8555 §7.1.5). Of types not known here, only `type` is sure. */
export interface Challenge {
  readonly type: string;
  readonly url: string;
  readonly status: string;
  /** Absent for challenges that need none, such as dns-persist-01. */
  readonly token?: string;
  /** For dns-persist-01: names by which the CA goes, 1 to 10. */
  readonly issuers?: readonly string[];
  /** For dns-persist-01, where the CA says it: how it calls the account. */
  readonly accountUrl?: string;
  readonly error?: Problem;
}

/** Whether a challenge is of a type. */
export const isOfType =
  <T extends string>(wanted: T) =>
  (challenge: Challenge): challenge is Challenge & { readonly type: T } =>
    challenge.type === wanted;

const MAX_CHALLENGES = 100;
const DOMAIN = /^[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*\.?$/i;
/** Without what would end the parameter, or the text in a zone file. */
const URI = /^[a-z][a-z\d+.-]*:[\x21\x23-\x3a\x3c-\x5b\x5d-\x7e]{1,900}$/i;

/** draft-ietf-acme-dns-persist-01 §4.3.1: they are copied into DNS by people, so nothing else gets through. */
function isIssuerList(value: unknown): value is string[] {
  const isDomain = (each: unknown) => typeof each === 'string' && each.length <= 253 && DOMAIN.test(each);
  return Array.isArray(value) && value.length >= 1 && value.length <= 10 && value.every(isDomain);
}

/** Reads what is offered; what does not look like a challenge is left out. */
export function parseChallenges(value: unknown): Challenge[] {
  const offered = Array.isArray(value) ? value.slice(0, MAX_CHALLENGES).filter(isRecord) : [];
  return offered
    .filter(({ type, url }) => typeof type === 'string' && typeof url === 'string')
    .map(({ type, url, status, token, error, accounturi, 'issuer-domain-names': issuers }) => {
      const problem = parseProblem(error, 400);
      return {
        type: textOf(type, 100) ?? '',
        url: String(url),
        status: textOf(status, 100) ?? 'pending',
        ...(typeof token === 'string' ? { token } : {}),
        ...(isIssuerList(issuers) ? { issuers } : {}),
        ...(typeof accounturi === 'string' ? { accountUrl: accounturi } : {}),
        ...(problem ? { error: problem } : {}),
      };
    });
}

/** A token becomes a path and a file name, so only the alphabet of RFC 8555 §8.1 passes. Throws `CERTBUS_ACME_NOT_ACME`. */
function checkToken(name: string, token: string | undefined): string {
  if (token && /^[A-Za-z0-9_-]{1,256}$/.test(token)) return token;
  const message = `The CA's challenge for ${name} has no usable token (base64url without padding, RFC 8555 §8.1).`;
  throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
}

/** First ten bytes of a digest as sixteen characters (RFC 4648 §6). */
function base32(bytes: Uint8Array): string {
  const bits = [...bytes.subarray(0, 10)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const fives = bits.match(/.{5}/g) ?? [];
  return fives.map((five) => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(five, 2)]).join('');
}

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Whose challenge it is, and for how much of a name, where that is part of the answer. */
export interface ChallengeSubject {
  /** The account's URL, which challenges of DNS other than dns-01 need. */
  readonly accountUrl?: string | undefined;
  /** Whether the wildcard below the name has to be proved. Default false. */
  readonly isWildcard?: boolean | undefined;
}

type OfType<T extends SolvableChallenge> = Challenge & { readonly type: T };

function dnsNameFor(name: string, { type }: OfType<SolvableChallenge>, { accountUrl }: ChallengeSubject): string {
  if (type !== 'dns-account-01') return `_acme-challenge.${name}`;
  if (accountUrl === undefined) throw new TypeError('dns-account-01 needs the URL of the account');
  return `_${base32(digestOf(accountUrl))}._acme-challenge.${name}`;
}

/** The record lets the holder of the account issue, so one at another CA must not be put into people's hands. */
function isElsewhere(account: string, own: string | undefined): boolean {
  const url = URL.parse(account);
  if (url && hasCredentials(url)) return true;
  return own !== undefined && /^https?:$/.test(url?.protocol ?? '') && url?.origin !== URL.parse(own)?.origin;
}

function standingRecord(
  name: string,
  challenge: OfType<'dns-persist-01'>,
  asked: ChallengeSubject,
): PresentedChallenge {
  const { type, issuers } = challenge;
  const accountUrl = challenge.accountUrl ?? asked.accountUrl ?? '';
  if (!issuers || !URI.test(accountUrl) || isElsewhere(accountUrl, asked.accountUrl)) {
    const what = issuers ? 'URI of the account' : '"issuer-domain-names"';
    const message = `The CA's dns-persist-01 challenge for ${name} has no usable ${what}.`;
    throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
  }
  const grant = { issuers, accountUrl, isWildcard: asked.isWildcard ?? false };
  const dns = { dnsName: `_validation-persist.${name}`, dnsValue: recordFor(grant) };
  return { type, name, token: '', keyAuthorization: '', ...dns, grant };
}

/** What a solver is given for one challenge (RFC 8555 §8.1, §8.3, §8.4). Throws `CERTBUS_ACME_NOT_ACME`. */
export function presentedChallenge(
  name: string,
  challenge: Challenge & { readonly type: SolvableChallenge },
  thumbprint: string,
  asked: ChallengeSubject = {},
): PresentedChallenge {
  const { type } = challenge;
  if (isOfType('dns-persist-01')(challenge)) return standingRecord(name, challenge, asked);
  const token = checkToken(name, challenge.token);
  const keyAuthorization = `${token}.${thumbprint}`;
  const dnsValue = digestOf(keyAuthorization).toString('base64url');
  return { type, name, token, keyAuthorization, dnsName: dnsNameFor(name, challenge, asked), dnsValue };
}
