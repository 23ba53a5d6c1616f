/** The paths of all resources, and the URLs made of them. */
import type { Account, Authorization, Challenge, IssuedCertificate, Order } from './records.ts';

/** Paths of the resources that the directory names (RFC 8555 §7.1.1, RFC 9773 §4). */
export const PATHS = {
  directory: '/directory',
  newNonce: '/acme/new-nonce',
  newAccount: '/acme/new-acct',
  newOrder: '/acme/new-order',
  revokeCert: '/acme/revoke-cert',
  keyChange: '/acme/key-change',
  renewalInfo: '/acme/renewal-info',
} as const;

/** The path of an account, with its id. */
export const ACCOUNT_PATH: RegExp = /^\/acme\/acct\/([\w-]+)$/;

/** Where an account is. */
export function accountUrl({ id }: Account, origin: string): string {
  return `${origin}/acme/acct/${id}`;
}

/** Where an order is. */
export function orderUrl({ id }: Order, origin: string): string {
  return `${origin}/acme/order/${id}`;
}

/** Where an order is finalized. */
export function finalizeUrl({ id }: Order, origin: string): string {
  return `${origin}/acme/finalize/${id}`;
}

/** Where an authorization is. */
export function authorizationUrl({ id }: Authorization, origin: string): string {
  return `${origin}/acme/authz/${id}`;
}

/** Where a challenge is. */
export function challengeUrl({ id }: Challenge, origin: string): string {
  return `${origin}/acme/chall/${id}`;
}

/** Where a certificate is; `chain` counts alternates from 1. */
export function certificateUrl({ serial }: IssuedCertificate, origin: string, chain = 0): string {
  return `${origin}/acme/cert/${serial}${chain === 0 ? '' : `/${chain}`}`;
}

/** Path of a URL at this server, or `undefined` for any other. */
export function pathOf(url: string, origin: string): string | undefined {
  return url.startsWith(`${origin}/`) ? url.slice(origin.length) : undefined;
}
