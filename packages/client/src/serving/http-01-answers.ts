/** What a client answers to HTTP-01 (RFC 8555 section 8.3), by what the bus says. */
import type { BusState, Challenge } from '@certbus/events/history';
import { isAnswered } from './announced.ts';

/** The answers that a client gives to HTTP-01 now. */
export interface Http01Answers {
  /**
   * The key authorization for a token: the announced one, else that of the account whose challenges are answered without announcement;
   * `undefined` where there is neither.
   */
  keyAuthorization(token: string): string | undefined;
  /** Takes what the bus says now. */
  refresh(bus: Pick<BusState, 'accounts' | 'challenges'>): void;
}

/** Makes an empty set. */
export function createHttp01Answers({ now }: { readonly now: () => Date }): Http01Answers {
  let announced = new Map<string, Challenge>();
  let stateless: string | undefined;
  return {
    keyAuthorization(token) {
      const challenge = announced.get(token);
      const thumbprint = challenge && isAnswered(challenge, now()) ? challenge.thumbprint : stateless;
      return thumbprint === undefined ? undefined : `${token}.${thumbprint}`;
    },
    refresh({ accounts, challenges }) {
      const own = challenges.filter(({ challengeType }) => challengeType === 'http-01');
      // Of two for one token, as in a roll-over, the newest is asked for.
      announced = new Map(own.map((challenge) => [challenge.token, challenge]));
      stateless = accounts.find((account) => account.stateless)?.thumbprint;
    },
  };
}
