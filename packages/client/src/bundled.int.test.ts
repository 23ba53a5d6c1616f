/** The packed client in one file, as bundlers make it: it starts, serves, and says where it writes. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installPackages, temporaryFolder } from 'certbus-services';
import { isFull, usePacked } from 'certbus-services/vitest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestBus, type TestBus } from './testing.ts';

const run = promisify(execFile);
const temporary = temporaryFolder();
const project = join(temporary.path, 'project');
const PROGRAM = `
  import { connect } from '@certbus/client';
  import { join } from 'node:path';
  async function main() {
    const [, , folder, state] = process.argv;
    const file = (name) => join(folder, name);
    const options = { identity: file('loadbalancer.key'), trust: file('bus.pub'), stateDirectory: file(state) };
    const certbus = await connect({ bus: 'sqlite:' + file('bus.db'), ...options });
    const alarms = [];
    certbus.on('alarm', ({ code }) => alarms.push(code));
    await new Promise((resolve) => setTimeout(resolve, 0));
    const { position, certificates } = certbus.health();
    const opens = (await certbus.secureContextFor('bundled.test')) !== undefined;
    await certbus.close();
    console.log(JSON.stringify({ position, served: certificates.served, opens, alarms }));
  }
  void main();`;

let bus: TestBus;
/** The bus's beginning, the issuer, the certificate. */
const position = 3;
const UNTHREADED = ['CERTBUS_CLIENT_WRITER_UNTHREADED'];

beforeAll(async () => {
  await usePacked('@certbus/client', project);
  bus = await createTestBus({ address: `sqlite:${project}/bus.db` });
  await bus.issue(['bundled.test']);
  writeFileSync(join(project, 'loadbalancer.key'), bus.identity, { mode: 0o600 });
  writeFileSync(join(project, 'bus.pub'), bus.trust);
  writeFileSync(join(project, 'program.mjs'), PROGRAM);
});
afterAll(async () => {
  await bus?.close();
  temporary.remove();
});

async function serve(bundle: string, state: string): Promise<unknown> {
  const { stdout } = await run(process.execPath, [bundle, project, state]);
  return JSON.parse(stdout);
}

test.each([
  ['esm', 'mjs'],
  ['cjs', 'cjs'],
])('esbuild, %s: it serves, writes on the main thread, and says so once', async (format, extension) => {
  const modules = await installPackages('esbuild');
  const { build } = createRequire(join(modules, 'x.js'))('esbuild');
  const outfile = join(project, `esbuild-${format}`, `program.${extension}`);
  const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
  await build({
    entryPoints: [join(project, 'program.mjs')],
    bundle: true,
    platform: 'node',
    format,
    outfile,
    banner: format === 'esm' ? { js: banner } : {},
    logLevel: 'error',
  });
  expect(await serve(outfile, `esbuild-state-${format}`)).toEqual({
    position,
    served: 1,
    opens: true,
    alarms: UNTHREADED,
  });
});

// These bundlers take most of a minute.
if (isFull) {
  test('webpack finds the file of the writing thread by itself', { tags: 'full' }, async () => {
    const modules = await installPackages('webpack');
    const webpack = createRequire(join(modules, 'x.js'))('webpack');
    const folder = join(project, 'webpack');
    const stats = await promisify(webpack)({
      mode: 'production',
      target: 'node22',
      entry: join(project, 'program.mjs'),
      output: { path: folder, filename: 'program.cjs', chunkFilename: '[id].cjs' },
    });
    expect(stats.compilation.errors).toEqual([]);
    expect(await serve(join(folder, 'program.cjs'), 'webpack-state')).toEqual({
      position,
      served: 1,
      opens: true,
      alarms: [],
    });
  });

  test('rollup, esm and cjs: it serves, writes on the main thread, and says so once', { tags: 'full' }, async () => {
    const load = createRequire(join(await installPackages('rollup'), 'x.js'));
    const plugins = ['node-resolve', 'commonjs', 'json'].map((name) => load(`@rollup/plugin-${name}`));
    const bundle = await load('rollup').rollup({
      input: join(project, 'program.mjs'),
      plugins: plugins.map((plugin) =>
        (plugin.default ?? plugin)({ exportConditions: ['node'], preferBuiltins: true }),
      ),
      onwarn() {},
    });
    for (const [format, extension] of [
      ['es', 'mjs'],
      ['cjs', 'cjs'],
    ]) {
      const names = { entryFileNames: `[name].${extension}`, chunkFileNames: `[name].${extension}` };
      await bundle.write({ dir: join(project, `rollup-${format}`), format, ...names });
      const served = await serve(join(project, `rollup-${format}`, `program.${extension}`), `rollup-state-${format}`);
      expect(served).toEqual({ position, served: 1, opens: true, alarms: UNTHREADED });
    }
    await bundle.close();
  });
}
