import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, requirePart, startNginx } from 'certbus-services';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSite, type Site } from '../../agent.builders.ts';
import { settled, shown } from '../tls.builders.ts';
import { formatToken } from './token.ts';

const part = requirePart('nginx');
const scripts = fileURLToPath(new URL('../../../nginx', import.meta.url));

async function balancerOf(site: Site) {
  const port = await freePort();
  const prefix = join(site.folder, 'nginx');
  const admin = join(prefix, 'admin');
  mkdirSync(join(prefix, 'logs'), { recursive: true });
  mkdirSync(admin, { mode: 0o750 });
  const tokenFile = join(site.folder, 'nginx-token.conf');
  writeFileSync(tokenFile, formatToken('0123456789abcdef'.repeat(2)), { mode: 0o600 });
  const file = join(prefix, 'nginx.conf');
  writeFileSync(
    file,
    `worker_processes 2; pid ${prefix}/nginx.pid; error_log ${prefix}/logs/error.log warn;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy; fastcgi_temp_path ${prefix}/fastcgi;
  uwsgi_temp_path ${prefix}/uwsgi; scgi_temp_path ${prefix}/scgi;
  js_path ${scripts}; js_import certbus from certbus.js; js_shared_dict_zone zone=certbus:8M;
  js_set $certbus_chain certbus.chain; js_set $certbus_key certbus.key;
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate data:$certbus_chain; ssl_certificate_key data:$certbus_key;
    location / { return 200 "ok\\n"; }
  }
  server {
    listen unix:${admin}/certbus.sock;
    include ${tokenFile};
    client_body_buffer_size 256k; client_max_body_size 256k;
    location /certbus/ { js_content certbus.admin; }
  }
}
`,
  );
  return {
    port,
    target: { type: 'nginx', socket: join(admin, 'certbus.sock'), tokenFile },
    errorLog: () => readFileSync(join(prefix, 'logs', 'error.log'), 'utf8'),
    async start() {
      const service = await startNginx(file, { prefix, port });
      onTestFinished(() => service.stop());
      return service;
    },
  };
}

describe.skipIf(part.skip)(part.title('the target nginx with njs'), () => {
  test('renews, adds and removes without a reload, and is filled again after a restart', async () => {
    const site = await createSite();
    const one = await site.bus.issue(['one.test']);
    const wild = await site.bus.issue(['*.two.test', 'two.test']);
    const balancer = await balancerOf(site);
    const { port } = balancer;
    const first = await balancer.start();
    const agent = await site.start([{ ...balancer.target, default: 'two.test' }]);
    await agent.started;
    expect(agent.status().targets[0]?.error).toBeNull();
    expect(await shown(port, 'one.test')).toBe(one.serialNumber);
    expect(await shown(port, 'A.Two.test')).toBe(wild.serialNumber);
    expect(await shown(port)).toBe(wild.serialNumber);
    expect(await shown(port, 'unknown.test')).toBeUndefined();
    const renewed = await site.bus.issue(['one.test']);
    await settled(async () => expect(await shown(port, 'one.test')).toBe(renewed.serialNumber));
    const exact = await site.bus.issue(['www.two.test']);
    await settled(async () => expect(await shown(port, 'www.two.test')).toBe(exact.serialNumber));
    await site.bus.remove(exact.certificateId);
    await settled(async () => expect(await shown(port, 'www.two.test')).toBe(wild.serialNumber));
    await first.stop();
    await balancer.start();
    await settled(async () => expect(await shown(port, 'one.test')).toBe(renewed.serialNumber));
    expect(await shown(port)).toBe(wild.serialNumber);
    expect(balancer.errorLog()).not.toContain('PRIVATE KEY');
  });

  test('a name of two certificates leads to the better one, and to the other when that is removed', async () => {
    const site = await createSite();
    const first = await site.bus.issue(['a.test', 'b.test'], { days: 30 });
    const second = await site.bus.issue(['a.test'], { days: 90 });
    const balancer = await balancerOf(site);
    const { port } = balancer;
    await balancer.start();
    const agent = await site.start([balancer.target]);
    await agent.started;
    expect(await shown(port, 'a.test')).toBe(second.serialNumber);
    await site.bus.remove(second.certificateId);
    await settled(async () => expect(await shown(port, 'a.test')).toBe(first.serialNumber));
  });

  test('answers nobody without the token, and shows no key', async () => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const balancer = await balancerOf(site);
    await balancer.start();
    writeFileSync(balancer.target.tokenFile, formatToken('another-token-that-is-wrong'), { mode: 0o600 });
    const agent = await site.start([balancer.target]);
    await agent.started;
    expect(agent.status().targets[0]?.error?.message).toContain('it does not know the token of this agent');
    expect(await shown(balancer.port, 'a.test')).toBeUndefined();
  });
});
