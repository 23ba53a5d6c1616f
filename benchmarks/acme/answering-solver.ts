/** Answers challenges at the challenge test server, in the same way for the engine and for the manager. */
import type { Solver } from '@certbus/acme';
import { createAnswers } from './answers.ts';
import type { Site } from './site.ts';

/** A solver whose answers can be seen at once. */
export function createAnsweringSolver({ answers: url, challenge }: Pick<Site, 'answers' | 'challenge'>): Solver {
  const answers = createAnswers(url);
  return {
    challenges: [challenge],
    async present(challenges) {
      await Promise.all(
        challenges.map(({ token, keyAuthorization, dnsName, dnsValue }) =>
          challenge === 'http-01' ? answers.addHttp(token, keyAuthorization) : answers.addTxt(dnsName, dnsValue),
        ),
      );
    },
    async ready() {},
    async cleanUp(challenges) {
      await Promise.all(
        challenges.map(({ token, dnsName }) =>
          challenge === 'http-01' ? answers.removeHttp(token) : answers.removeTxt(dnsName),
        ),
      );
    },
  };
}
