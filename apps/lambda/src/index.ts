/** Entry: a manager as a function on AWS Lambda. */
export { createHandler, type Handler, type HandlerOptions, type InvocationContext } from './handler.ts';
export { RunFailedError, type Summary } from './summary.ts';
