#!/usr/bin/env -S node --conditions=certbus:source
// Runs the command line straight from TypeScript: Node strips the types itself.
import { prepare } from './prepare.js';

prepare('In the repository, "node apps/agent/bin/dev.js …" brings its own.');
const { readFile } = await import('node:fs/promises');
const { fileURLToPath } = await import('node:url');
const { execute } = await import('@oclif/core');
const root = fileURLToPath(new URL('..', import.meta.url));
const pjson = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
pjson.oclif.commands.target = './src/commands/index.ts';
pjson.oclif.hooks.command_not_found = './src/hooks/command-not-found.ts';
await execute({ loadOptions: { root, pjson, userPlugins: false } });
