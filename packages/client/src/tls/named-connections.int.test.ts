import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { findNode, requirePart } from 'certbus-services';
import { describe, expect, onTestFinished, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('./two-key-types.builders.ts', import.meta.url));
const part = requirePart('node-versions');

/** What OpenSSL's client is shown; `undefined` where the handshake fails. */
function shown(port: string, ...args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const all = ['s_client', '-connect', `127.0.0.1:${port}`, ...args];
    const client = execFile('openssl', all, { timeout: 240_000 }, (_, stdout) =>
      resolve(/^subject=(.*)$/m.exec(stdout)?.[1]?.replaceAll(' ', '')),
    );
    client.stdin?.end();
  });
}

describe.skipIf(part.skip).each(['22.23.3', '24.21.0'] as const)(part.title('on Node %s'), (version) => {
  test('a client that knows only RSA is never shown the default certificate for another name', async () => {
    const server = spawn(await findNode(version), [PROGRAM], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void server.kill('SIGKILL'));
    const [line] = await once(server.stdout, 'data');
    const port = String(line).trim();
    const named = ['-servername', 'ecdsa.test'];
    for (const only of [
      ['-tls1_3', '-sigalgs', 'RSA-PSS+SHA256'],
      ['-tls1_3', '-sigalgs', 'RSA-PSS+SHA256:ECDSA+SHA256'],
      ['-tls1_2', '-sigalgs', 'RSA+SHA256'],
      ['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ])
      expect([undefined, 'CN=ecdsa.test']).toContain(await shown(port, ...named, ...only));
    expect(await shown(port, ...named)).toBe('CN=ecdsa.test');
    expect(await shown(port, '-noservername')).toBe('CN=rsa.test');
    expect(await shown(port, '-servername', 'rsa.test', '-tls1_2', '-sigalgs', 'RSA+SHA256')).toBe('CN=rsa.test');
  });
});
