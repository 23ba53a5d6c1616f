/** What the writing thread sends once it is loaded. */
export const READY = 'certbus-replica-writer-ready';
