import { execFile, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { findNode, requirePart } from 'certbus-services';
import { describe, expect, onTestFinished, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('./two-key-types.builders.ts', import.meta.url));
const part = requirePart('node-versions');

/** The serial number that OpenSSL's client is shown; `undefined` where the handshake fails. */
function shown(port: number, ...args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const all = ['s_client', '-connect', `127.0.0.1:${port}`, ...args];
    const client = execFile('openssl', all, { timeout: 240_000 }, (_, stdout) => {
      const [pem] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(stdout) ?? [];
      resolve(pem && new X509Certificate(pem).serialNumber);
    });
    client.stdin?.end();
  });
}

async function startServer(version: Parameters<typeof findNode>[0]) {
  const server = spawn(await findNode(version), [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void server.kill('SIGKILL'));
  const ended = once(server, 'exit').then(([code]) => Promise.reject(new Error(`the server exited with ${code}`)));
  const [line] = await Promise.race([once(server.stdout, 'data'), ended]);
  const { port, serials } = JSON.parse(String(line)) as {
    port: number;
    serials: Record<'ecdsa' | 'rsa' | 'bothEcdsa' | 'bothRsa', string>;
  };
  const giveUpTls12 = async () => {
    server.stdin.write('give up TLS 1.2\n');
    await once(server.stdout, 'data');
  };
  return { port, serials, giveUpTls12 };
}

/** Clients of each protocol version that can use one key type only, by signature algorithms or by cipher suites. */
const RSA_ONLY = [
  ['-tls1_3', '-sigalgs', 'RSA-PSS+SHA256'],
  ['-tls1_2', '-sigalgs', 'RSA+SHA256'],
  ['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256'],
] as const;
const ECDSA_ONLY = [
  ['-tls1_3', '-sigalgs', 'ECDSA+SHA256'],
  ['-tls1_2', '-sigalgs', 'ECDSA+SHA256'],
  ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
] as const;

describe.skipIf(part.skip).each(['22.23.3', '24.21.0', '26.10.0'] as const)(part.title('on Node %s'), (version) => {
  test('each client gets a key type that it can use, and never the certificate of another name', async () => {
    const { port, serials, giveUpTls12 } = await startServer(version);
    const named = (name: string, only: readonly string[]) => shown(port, '-servername', name, ...only);
    // The first handshakes of the process are those that only a ClientHello decides.
    for (const only of ECDSA_ONLY.toReversed()) {
      expect(await named('both.test', only), only.join(' ')).toBe(serials.bothEcdsa);
      expect(await shown(port, '-noservername', ...only), only.join(' ')).toBe(serials.bothEcdsa);
      expect([undefined, serials.rsa]).toContain(await named('rsa.test', only));
    }
    for (const only of RSA_ONLY) {
      expect(await named('both.test', only), only.join(' ')).toBe(serials.bothRsa);
      expect(await shown(port, '-noservername', ...only), only.join(' ')).toBe(serials.bothRsa);
      expect([undefined, serials.ecdsa]).toContain(await named('ecdsa.test', only));
    }
    for (const only of [['-tls1_3'], ['-tls1_2']]) {
      expect(await named('both.test', only)).toBe(serials.bothEcdsa);
      expect(await named('rsa.test', only)).toBe(serials.rsa);
      expect(await named('ecdsa.test', only)).toBe(serials.ecdsa);
    }
    // What a server is given later counts for connections of every kind.
    await giveUpTls12();
    for (const name of [['-servername', 'rsa.test'], ['-noservername']]) {
      expect(await shown(port, ...name, '-tls1_2')).toBeUndefined();
      expect(await shown(port, ...name, '-tls1_3')).toBeDefined();
    }
  });
});
