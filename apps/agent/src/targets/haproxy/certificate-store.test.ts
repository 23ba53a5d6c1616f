/** What is asked of a HAProxy 2.6, whose answers are those of a real one, where somebody else is in the middle of a change. */
import { expect, test } from 'vitest';
import { createCertificateStore } from './certificate-store.ts';

test('a text that went into the change of somebody else is taken out of it before anything is waited for', async () => {
  const asked: string[] = [];
  const answers: Readonly<Record<string, readonly string[]>> = {
    'set ssl cert /a.pem': [
      'Transaction updated for certificate /b.pem!',
      'Transaction created for certificate /a.pem!',
    ],
    'abort ssl cert /b.pem': ['Transaction aborted for certificate /b.pem!'],
    'show ssl cert': ['# filename\n/a.pem\n/b.pem'],
    'commit ssl cert /a.pem': ['Committing /a.pem.\nSuccess!'],
    'show ssl cert /a.pem': [`SHA1 FingerPrint: ${'A'.repeat(40)}`],
  };
  const ask = async (command: string) => {
    asked.push(command);
    return answers[command]?.[asked.filter((each) => each === command).length - 1] ?? '';
  };
  const askAll = (commands: readonly string[]) => Promise.all(commands.map(ask));
  const store = createCertificateStore({ ask, askAll, close() {} }, { list: '/list', bufferSize: 16_384 });
  expect(await store.replace('/a.pem', 'the new one')).toBe('A'.repeat(40));
  expect(asked.slice(0, 2)).toEqual(['set ssl cert /a.pem', 'abort ssl cert /b.pem']);
  expect(asked.filter((command) => command.startsWith('set'))).toHaveLength(2);
});
