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

/** A HAProxy 2.6 that refuses to commit some texts; `shown` is what it holds, and `asked` what it was asked. */
function createHaproxy(refusedTexts: readonly string[]) {
  const shown = new Map<string, string>();
  const asked: string[] = [];
  let open: { path: string; text: string } | undefined;
  const foreign = () => `The ongoing transaction is about '${open?.path}' but you are trying to set another\n`;
  const answers: Readonly<Record<string, (path: string, text: string) => string>> = {
    set(path, text) {
      const how = open ? 'updated' : 'created';
      open = { path: open?.path ?? path, text };
      return `Transaction ${how} for certificate ${open.path}!`;
    },
    commit(path) {
      if (open?.path !== path) return open ? foreign() : 'No ongoing transaction!';
      if (refusedTexts.includes(open.text)) return 'Committing\ninconsistencies between private key and certificate';
      shown.set(path, open.text);
      open = undefined;
      return 'Committing\nSuccess!';
    },
    abort(path) {
      if (open?.path !== path) return open ? foreign() : 'No ongoing transaction!';
      open = undefined;
      return `Transaction aborted for certificate ${path}!`;
    },
    show(path) {
      if (path !== '') return `SHA1 FingerPrint: ${shown.get(path)}`;
      return open ? `# transaction\n*${open.path}` : '';
    },
  };
  const answer = (command: string, text = ''): string => {
    asked.push(command);
    const [verb = '', , , path = ''] = command.split(' ');
    return answers[verb]?.(path, text) ?? '';
  };
  // All that is sent in one turn is obeyed before the first answer is read.
  const later = <T>(value: T) => new Promise<T>((resolve) => setImmediate(resolve, value));
  const api = {
    ask: (command: string, text?: string) => later(answer(command, text)),
    askAll: (commands: readonly string[]) => later(commands.map((command) => answer(command))),
    close() {},
  };
  return { api, shown, asked };
}

const [ONE, TWO, THREE] = ['1', '2', '3'].map((digit) => digit.repeat(40)) as [string, string, string];

test('the next text is set while the one before is committed, and committed once its own answer is there', async () => {
  const { api, asked } = createHaproxy([]);
  const store = createCertificateStore(api, { list: '/list', bufferSize: 16_384 });
  expect(await Promise.all([store.replace('/a.pem', ONE), store.replace('/b.pem', TWO)])).toEqual([ONE, TWO]);
  const verbs = asked.map((command) => command.replace(' ssl cert /', ' '));
  expect(verbs).toEqual(['set a.pem', 'commit a.pem', 'show a.pem', 'set b.pem', 'commit b.pem', 'show b.pem']);
});

test('a commit that is refused while the next text is set leaves no name with the text of another', async () => {
  const { api, shown } = createHaproxy([ONE]);
  const store = createCertificateStore(api, { list: '/list', bufferSize: 16_384 });
  const paths = ['/a.pem', '/b.pem', '/c.pem'];
  const given = paths.map((path, n) => store.replace(path, [ONE, TWO, THREE][n] ?? ''));
  const refused = { status: 'rejected', reason: { code: 'CERTBUS_AGENT_TARGET_REFUSED' } };
  expect(await Promise.allSettled(given)).toMatchObject([refused, { value: TWO }, { value: THREE }]);
  expect([...shown]).toEqual([
    ['/b.pem', TWO],
    ['/c.pem', THREE],
  ]);
});

test('a HAProxy that is too old for its list is named', async () => {
  const ask = async (command: string) =>
    `Unknown command: '${command}', but maybe one of the following ones is a match:`;
  const askAll = (commands: readonly string[]) => Promise.all(commands.map(ask));
  const store = createCertificateStore({ ask, askAll, close() {} }, { list: '/list', bufferSize: 16_384 });
  await expect(store.offered()).rejects.toMatchObject({
    code: 'CERTBUS_AGENT_TARGET_FAILED',
    message: expect.stringContaining('it is older than 2.2'),
  });
});
