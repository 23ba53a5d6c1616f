// The command line as the entry of a bundle of its sources, which tests start. The bundle is laid out as the package is.
import { dirname } from 'node:path';
import { prepare } from './prepare.js';

prepare('The repository brings its own.');
const { execute } = await import('@oclif/core');
// Not awaited, as in run.js: where nobody reads the output any more, its end is never reported.
void execute({ loadOptions: { root: dirname(process.argv[1]), userPlugins: false } });
