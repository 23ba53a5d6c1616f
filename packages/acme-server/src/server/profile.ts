/** The profiles that orders can have. */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What orders of one profile are like. Lifetimes are milliseconds. */
export interface Profile {
  /** For people; stands in the directory. */
  readonly description: string;
  readonly validityMs: number;
  readonly orderLifetimeMs: number;
  /** How long an authorization may wait for its challenge. */
  readonly pendingAuthorizationMs: number;
  /** How long a valid authorization lasts, and can be used again. */
  readonly authorizationMs: number;
  readonly maxNames: number;
  readonly identifierTypes: readonly ('dns' | 'ip')[];
}

/** The three profiles of Let's Encrypt, as of August 2026. The first is the default. */
export const letsEncryptProfiles: Readonly<Record<string, Profile>> = {
  classic: {
    description: 'https://letsencrypt.org/docs/profiles#classic',
    validityMs: 90 * DAY_MS,
    orderLifetimeMs: 7 * DAY_MS,
    pendingAuthorizationMs: 7 * DAY_MS,
    authorizationMs: 30 * DAY_MS,
    maxNames: 100,
    identifierTypes: ['dns'],
  },
  tlsserver: {
    description: 'https://letsencrypt.org/docs/profiles#tlsserver',
    validityMs: 45 * DAY_MS,
    orderLifetimeMs: 8 * HOUR_MS,
    pendingAuthorizationMs: HOUR_MS,
    authorizationMs: 7 * HOUR_MS,
    maxNames: 25,
    identifierTypes: ['dns'],
  },
  shortlived: {
    description: 'https://letsencrypt.org/docs/profiles#shortlived',
    validityMs: 160 * HOUR_MS,
    orderLifetimeMs: 8 * HOUR_MS,
    pendingAuthorizationMs: HOUR_MS,
    authorizationMs: 7 * HOUR_MS,
    maxNames: 25,
    identifierTypes: ['dns', 'ip'],
  },
};
