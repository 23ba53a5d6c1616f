#!/usr/bin/env node
import { prepare } from './prepare.js';

prepare('Install a newer one from your system or nodejs.org.');
void import('@oclif/core').then((oclif) => oclif.execute({ dir: import.meta.url }));
