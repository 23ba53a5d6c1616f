import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findNginx, freePort, requirePart, startNginx } from 'certbus-services';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSite } from '../../agent.builders.ts';
import { settled, shown } from '../tls.builders.ts';

const part = requirePart('nginx');

describe.skipIf(part.skip)(part.title('the target nginx by files and reloads'), () => {
  test('starts with the files, reloads after a change, and takes back what nginx refuses', async () => {
    const site = await createSite();
    const one = await site.bus.issue(['one.test']);
    const wild = await site.bus.issue(['*.two.test', 'two.test']);
    const port = await freePort();
    const prefix = join(site.folder, 'nginx');
    const folder = join(site.folder, 'certs');
    mkdirSync(join(prefix, 'logs'), { recursive: true });
    chmodSync(site.folder, 0o755);
    const file = join(prefix, 'nginx.conf');
    writeFileSync(
      file,
      `user root; worker_processes 2; pid ${prefix}/nginx.pid; error_log ${prefix}/logs/error.log warn;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy; fastcgi_temp_path ${prefix}/fastcgi;
  uwsgi_temp_path ${prefix}/uwsgi; scgi_temp_path ${prefix}/scgi;
  include ${folder}/current/map.conf;
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate $certbus_file; ssl_certificate_key $certbus_file;
    location / { return 200 "ok\\n"; }
  }
}
`,
    );
    const nginx = await findNginx();
    const own = ['-p', prefix, '-c', file];
    const script = join(site.folder, 'reload');
    writeFileSync(script, `#!/bin/sh\n[ ! -s ${prefix}/nginx.pid ] || exec ${nginx} ${own.join(' ')} -s reload\n`, {
      mode: 0o700,
    });
    const checker = join(site.folder, 'test');
    writeFileSync(
      checker,
      `#!/bin/sh\nif [ -e ${site.folder}/refuse ]; then echo "cannot load $(cat ${site.folder}/refuse)"; exit 1; fi\nexec ${nginx} ${own.join(' ')} -t\n`,
      { mode: 0o700 },
    );
    const target = {
      type: 'nginx-files',
      folder,
      windowMs: 0,
      default: 'two.test',
      test: { command: [checker] },
      after: { command: [script] },
    };
    const agent = await site.start([target]);
    await agent.started;
    expect(agent.status().targets[0]?.error).toBeNull();
    const service = await startNginx(file, { prefix, port });
    onTestFinished(() => service.stop());
    expect(await shown(port, 'one.test')).toBe(one.serialNumber);
    expect(await shown(port, 'a.two.test')).toBe(wild.serialNumber);
    expect(await shown(port)).toBe(wild.serialNumber);
    expect(await shown(port, 'unknown.test')).toBeUndefined();
    const renewed = await site.bus.issue(['one.test']);
    await settled(async () => expect(await shown(port, 'one.test')).toBe(renewed.serialNumber));

    writeFileSync(join(site.folder, 'refuse'), `${folder}/current/one.test.pem`);
    const before = readFileSync(join(folder, 'current', 'one.test.pem'), 'utf8');
    await site.bus.issue(['one.test']);
    await settled(() => expect(agent.status().targets[0]?.error?.code).toBe('CERTBUS_AGENT_COMMAND_FAILED'));
    expect(readFileSync(join(folder, 'current', 'one.test.pem'), 'utf8')).toBe(before);
    expect(await shown(port, 'one.test')).toBe(renewed.serialNumber);
    expect(site.lines.join('\n')).not.toContain('PRIVATE KEY');
  });
});
