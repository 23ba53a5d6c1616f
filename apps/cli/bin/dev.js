#!/usr/bin/env -S node --conditions=certbus:source
// Runs the command line straight from TypeScript: Node strips the types itself.
var version = process.versions.node.split('.').map(Number);
if (version[0] < 22 || (version[0] === 22 && version[1] < 19)) {
  console.error(
    'certbus needs Node 22.19 or later; this is Node ' +
      process.versions.node +
      '. In the repository, "npm run -s certbus -- …" brings its own.',
  );
  process.exit(3);
}
const { readFile } = await import('node:fs/promises');
const { fileURLToPath } = await import('node:url');
const { execute } = await import('@oclif/core');
const root = fileURLToPath(new URL('..', import.meta.url));
const pjson = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
pjson.oclif.commands.target = './src/commands/index.ts';
await execute({ loadOptions: { root, pjson } });
