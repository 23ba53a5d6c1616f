import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { findBalancers } from './answers.ts';

const [haproxy, nginx] = ['/usr/sbin/haproxy', '/usr/sbin/nginx'];

test.each([
  ['nothing', [], []],
  ['HAProxy', [haproxy], ['haproxy']],
  ['the nginx of Debian, which has no njs', [nginx], ['nginx-files']],
  ['an nginx with the module njs', [nginx, '/usr/lib/nginx/modules/ngx_http_js_module.so'], ['nginx']],
  ['a module that was left by an nginx', ['/usr/lib64/nginx/modules/ngx_http_js_module.so'], []],
  ['both', [nginx, haproxy], ['haproxy', 'nginx-files']],
])('on a machine with %s it is proposed what can be fed there', (_, files, expected) => {
  const { path: root, remove } = temporaryFolder();
  onTestFinished(remove);
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  expect(findBalancers(root)).toEqual(expected);
});
