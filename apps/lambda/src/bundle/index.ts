/** Entry: the bundle of the function, which the build makes. */
import { fileURLToPath } from 'node:url';

/** Path of the ZIP archive that Lambda takes: handler `index.handler`. */
export const BUNDLE: string = fileURLToPath(new URL('../../dist/lambda.zip', import.meta.url));
