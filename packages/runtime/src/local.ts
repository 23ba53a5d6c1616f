/** What a program reads of its machine before it opens anything: light to import. */

export { clean } from '@certbus/events';
export {
  type Environment,
  type EnvironmentOptions,
  environmentOf,
  ownStateDirectory,
  plainSecrets,
  readEnvironment,
  readKey,
  readParsedKey,
  secretsOf,
  type Variables,
} from './environment.ts';
export { nothingThere, RuntimeError, type RuntimeErrorCode } from './errors.ts';
export { readExchanged, readExchangedLines, writeExchanged, writeExchangedLines } from './exchange-files.ts';
export {
  checkOwnToWrite,
  flushFolder,
  makeFolder,
  readFile,
  readKeyFile,
  readOwnFile,
  removeUnfinished,
  replaceFile,
  withoutMark,
  writeNew,
  writeOver,
} from './key-files.ts';
export { CONFIG_FILE, type LocalConfig, type LocalPrograms, readLocalConfig } from './local-config.ts';
export { jsonLine, LOG_SETTINGS, type LogLevel, type WriteLine } from './logger.ts';
export { parseCheckpointReference, parseReference, type SecretReference } from './secrets/reference.ts';
export { trustOf } from './trust-file.ts';
