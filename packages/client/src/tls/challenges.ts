/** The TLS-ALPN-01 challenges that a client answers. */
import type { SecureContext } from 'node:tls';
import { isAddress, reverseNameOf } from '@certbus/events';
import type { Challenge } from '@certbus/events/history';
import { isAnswered } from '../serving/announced.ts';
import { type ChallengeCertificate, createChallengeCertificate } from './challenge-certificate.ts';

/** The TLS-ALPN-01 challenges that a client answers now. */
export interface Challenges {
  /** Whether there is any: nearly always there is none. */
  readonly isEmpty: boolean;
  /** The context for a handshake for `acme-tls/1` with this server name; `undefined` where nothing is to be proved for it. */
  contextFor(serverName: string): SecureContext | undefined;
  /** Takes what the bus says now; challenges of other types are passed over. */
  refresh(challenges: readonly Challenge[]): void;
}

const HOUR_MS = 3_600_000;

/** The server name that a CA asks with (RFC 8737 section 3, RFC 8738 section 6). */
const serverNameOf = ({ identifier }: Challenge): string =>
  isAddress(identifier) ? reverseNameOf(identifier) : identifier;

/** Makes an empty set. Certificates are made when first asked for, and kept until their challenge ends. */
export function createChallenges({
  build,
  now,
}: {
  readonly build: (certificate: ChallengeCertificate) => SecureContext;
  readonly now: () => Date;
}): Challenges {
  let byServerName = new Map<string, Challenge>();
  let lastEnd = 0;
  const made = new Map<string, SecureContext>();
  const keyOf = ({ identifier, token, thumbprint }: Challenge) => `${identifier} ${token} ${thumbprint}`;

  function contextOf(challenge: Challenge): SecureContext {
    const key = keyOf(challenge);
    const { identifier, token, thumbprint, expiresAt } = challenge;
    const [notBefore, notAfter] = [new Date(now().getTime() - HOUR_MS), new Date(Date.parse(expiresAt) + HOUR_MS)];
    const subject = { identifier, keyAuthorization: `${token}.${thumbprint}`, notBefore, notAfter };
    const context = made.get(key) ?? build(createChallengeCertificate(subject));
    made.set(key, context);
    return context;
  }

  return {
    get isEmpty() {
      return byServerName.size === 0 || lastEnd <= now().getTime();
    },
    contextFor(serverName) {
      const challenge = byServerName.get(serverName);
      return challenge && isAnswered(challenge, now()) ? contextOf(challenge) : undefined;
    },
    refresh(announced) {
      const challenges = announced.filter(({ challengeType }) => challengeType === 'tls-alpn-01');
      // Of two for one name, the newest is asked for.
      byServerName = new Map(challenges.map((challenge) => [serverNameOf(challenge), challenge]));
      lastEnd = Math.max(0, ...challenges.map(({ expiresAt }) => Date.parse(expiresAt)));
      const kept = new Set(challenges.map(keyOf));
      for (const key of [...made.keys()]) if (!kept.has(key)) made.delete(key);
    },
  };
}
