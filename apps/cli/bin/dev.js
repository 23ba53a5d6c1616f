#!/usr/bin/env -S node --conditions=certbus:source
// Runs the command line straight from TypeScript: Node strips the types itself.
import { prepare } from './prepare.js';

prepare('In the repository, "npm run -s certbus -- …" brings its own.');
const { existsSync, readFileSync } = await import('node:fs');
const { fileURLToPath } = await import('node:url');
const { execute } = await import('@oclif/core');
const root = fileURLToPath(new URL('..', import.meta.url));
const pjson = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const target = './src/commands';
const [first, second] = process.argv.slice(2);
// There is no manifest of sources: where a command is called that needs to know no other, it is the only one that is looked at.
const called = [`${first}/${second}.ts`, `${first}.ts`].find((file) => existsSync(`${root}${target}/${file}`));
const isAlone = called !== undefined && !['help.ts', 'complete.ts'].includes(called);
pjson.oclif.commands = { strategy: 'pattern', target, globPatterns: [isAlone ? called : '**/*.ts'] };
pjson.oclif.hooks.command_not_found = './src/hooks/command-not-found.ts';
pjson.oclif.helpClass.target = './src/help/help.ts';
await execute({ loadOptions: { root, pjson, ignoreManifest: true, userPlugins: false } });
