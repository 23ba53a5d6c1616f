/** The function's module in the bundle: `index.handler`. */
import { createHandler, type Handler } from '../handler.ts';

/** What Lambda calls. */
export const handler: Handler = createHandler();
