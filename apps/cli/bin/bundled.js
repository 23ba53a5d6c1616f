// The command line as the entry of a bundle of its sources, which tests start. The bundles of its commands and its hook are next to it.
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import pjson from '../package.json' with { type: 'json' };
import { prepare } from './prepare.js';

prepare('The repository brings its own.');
const { execute } = await import('@oclif/core');
const root = fileURLToPath(new URL('..', import.meta.url));
const nextToThis = (name) => relative(root, join(dirname(process.argv[1]), name));
pjson.oclif.commands.target = nextToThis('commands.js');
pjson.oclif.hooks.command_not_found = nextToThis('command-not-found.js');
pjson.oclif.helpClass.target = nextToThis('help.js');
void execute({ loadOptions: { root, pjson } });
