/** Tests of what njs runs in nginx for each handshake, here by Node with a memory that is written in between. */
import { expect, onTestFinished, test, vi } from 'vitest';

const PROGRAM = String(new URL('../../../nginx/certbus.js', import.meta.url));

/** What nginx asks it for at a handshake: the chain first. */
interface Certbus {
  chain(request: Handshake): string;
  key(request: Handshake): string;
}

/** What nginx knows of a handshake. */
type Handshake = ReturnType<typeof handshake>;

const handshake = (connection: string, serverName: string) => ({
  variables: { connection, ssl_server_name: serverName },
});
const written = (version: string) => `${'f'.repeat(43)}\nshop.test\nchain ${version}\n\nkey ${version}\n`;

test('a handshake has the key of its chain, also where another worker writes the memory in between', async () => {
  const zone = new Map([
    ['n:shop.test', 'one'],
    ['c:one', written('1')],
  ]);
  vi.stubGlobal('ngx', { shared: { certbus: zone } });
  onTestFinished(() => void vi.unstubAllGlobals());
  const { default: certbus }: { default: Certbus } = await import(PROGRAM);
  const [first, second] = [handshake('1', 'shop.test'), handshake('2', 'shop.test')];
  expect(certbus.chain(first)).toBe('chain 1\n');
  zone.set('c:one', written('2'));
  expect(certbus.key(first)).toBe('key 1\n');
  expect([certbus.chain(second), certbus.key(second)]).toEqual(['chain 2\n', 'key 2\n']);
  // What was read for one connection is nobody else's.
  certbus.chain(first);
  zone.delete('c:one');
  expect(certbus.key(second)).toBe('');
  expect(certbus.chain(second)).toBe('');
});
