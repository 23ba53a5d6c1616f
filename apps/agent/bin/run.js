#!/usr/bin/env node
import { prepare } from './prepare.js';

prepare('Install a newer one from your system or nodejs.org.');
// There are no plugins. Looking for them would warn of a home that this user cannot read.
const loadOptions = { userPlugins: false };
void import('@oclif/core').then((oclif) => oclif.execute({ dir: import.meta.url, loadOptions }));
