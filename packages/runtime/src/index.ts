/** Starts a manager on a machine: local configuration, keys, bus, replica, solvers, logger. */
export { type Environment, type EnvironmentOptions, readEnvironment, type Variables } from './environment.ts';
export { RuntimeError, type RuntimeErrorCode } from './errors.ts';
export { type ExaminationOptions, examineMachine } from './examination.ts';
export { withExportedPicture } from './exported-picture.ts';
export { type ExaminedKey, examineKeyFile } from './key-examination.ts';
export type { LocalConfig, LocalPrograms } from './local-config.ts';
export { createLogger } from './logger.ts';
export { readManagerKey } from './manager-key.ts';
export { checkNothingLost } from './nothing-lost.ts';
export { knownCheckpoint, type OpenBus, openLocalBus } from './open-bus.ts';
export { openRootJournal, type RootJournal, type SignedByRoot } from './root-journal.ts';
export { findRootKey } from './root-key.ts';
export { type WrittenFloor, writeFloor } from './trust-file.ts';
export {
  findSigningKey,
  type KeyHolder,
  type KeyHolderOptions,
  withKeyHolder,
  withRootState,
} from './with-key-holder.ts';
export { type ManagedBus, type ManagerSettings, withManager } from './with-manager.ts';
