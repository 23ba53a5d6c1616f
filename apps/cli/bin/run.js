#!/usr/bin/env node
// Old syntax up to the check, so that a Node that is too old says so instead of stumbling over the code.
var version = process.versions.node.split('.').map(Number);
if (version[0] < 22 || (version[0] === 22 && version[1] < 19)) {
  console.error(
    'certbus needs Node 22.19 or later; this is Node ' +
      process.versions.node +
      '. Install a newer one from your system or nodejs.org.',
  );
  process.exit(3);
}
void import('@oclif/core').then((oclif) => oclif.execute({ dir: import.meta.url }));
