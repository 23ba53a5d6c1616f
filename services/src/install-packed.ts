/** `npm run install-packed -- FOLDER PACKAGE`: installs a package of this checkout into a folder, as it will come from the registry. */
import { resolve } from 'node:path';
import { installPacked } from './packed-packages.ts';

const [folder, name] = process.argv.slice(2);
if (!folder || !name) {
  console.error('usage: npm run install-packed -- FOLDER PACKAGE, such as /opt/certbus certbus');
  process.exit(2);
}
// npm starts this in the repository; the folder is meant from where the user is.
const target = resolve(process.env['INIT_CWD'] ?? '.', folder);
await installPacked(name, target);
console.log(`${name} is installed in ${target}`);
