/** The module of the function for ACM in the bundle: `acm.handler`. */
import { type AcmHandler, createAcmHandler } from '../acm/handler.ts';

/** What Lambda calls. */
export const handler: AcmHandler = createAcmHandler();
