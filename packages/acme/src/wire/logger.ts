/** The port that the package logs to. */

/** Where the package writes what it does. Challenge tokens appear at `debug` only, keys nowhere. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** The default: writes nothing. */
export const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
