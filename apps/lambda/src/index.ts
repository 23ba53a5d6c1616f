/** Entry: a manager as a function on AWS Lambda. */
export { type AcmHandler, type AcmSummary, createAcmHandler, ImportFailedError } from './acm/handler.ts';
export { LambdaError, type LambdaErrorCode } from './errors.ts';
export { createHandler, type Handler } from './handler.ts';
export type { HandlerOptions, InvocationContext } from './invocation.ts';
export { RunFailedError, type Summary } from './summary.ts';
