#!/usr/bin/env -S node --conditions=certbus:source
// Runs the command line straight from TypeScript: Node strips the types itself.
import { prepare } from './prepare.js';

prepare('In the repository, "node apps/agent/bin/dev.js …" brings its own.');
const { existsSync, readFileSync } = await import('node:fs');
const { fileURLToPath } = await import('node:url');
const { execute } = await import('@oclif/core');
const root = fileURLToPath(new URL('..', import.meta.url));
const pjson = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const target = './src/commands';
// There is no manifest of sources: the command that is called is the only one that is looked at.
const called = `${process.argv[2]}.ts`;
const isAlone = existsSync(`${root}${target}/${called}`);
pjson.oclif.commands = { strategy: 'pattern', target, globPatterns: isAlone ? [called] : ['*.ts', '!*.test.ts'] };
pjson.oclif.hooks.command_not_found = './src/hooks/command-not-found.ts';
// Not awaited, as in run.js: where nobody reads the output any more, its end is never reported.
void execute({ loadOptions: { root, pjson, ignoreManifest: true, userPlugins: false } });
