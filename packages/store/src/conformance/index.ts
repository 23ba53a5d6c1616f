/** The conformance suite: what every log must pass. */
export {
  type AppendOperation,
  type AppendOutcome,
  checkHistory,
  type Operation,
  type ReadOperation,
  type Violation,
  type ViolationKind,
} from './history.ts';
export type { ConformanceOptions, LogUnderTest } from './options.ts';
export { createRecorder, type Recorder } from './recorder.ts';
export { conformance } from './suite.ts';
