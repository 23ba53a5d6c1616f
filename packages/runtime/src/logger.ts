/** Writes the log of a manager as lines of text. */
import type { Logger } from '@certbus/acme';
import { cleanLine, printableJson } from '@certbus/events';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** How much a line of a log matters. */
export type LogLevel = (typeof LEVELS)[number];

const WORDS: Readonly<Record<LogLevel, string>> = { debug: 'debug', info: 'info', warn: 'warning', error: 'error' };

/** Takes a line of a log. */
export type WriteLine = (line: string, level: LogLevel) => void;

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function line(level: LogLevel, message: string, fields: Record<string, unknown> = {}): string {
  const details = Object.entries(fields).map(([name, value]) => `${name}: ${shown(value)}`);
  const text = `${WORDS[level]}: ${message}${details.length > 0 ? ` (${details.join('; ')})` : ''}`;
  return cleanLine(text.replaceAll(/[\n\t]/g, ' '));
}

/** A line of a log as JSON: `time`, `level` and `message`, and the fields of the message next to them. */
export function jsonLine(level: LogLevel, message: string, fields: Record<string, unknown> = {}): string {
  return printableJson({ ...fields, time: new Date().toISOString(), level, message });
}

/** What `CERTBUS_LOG` can be, in any case. */
export const LOG_SETTINGS: readonly string[] = [...LEVELS, 'silent'];

/**
 * Writes the log of a command, a line each, from a level on: `debug`, `info`, `warn`, `error`, or `silent`, in any case; default `warn`, also for any other. `format`: `text`
 * or `json`; default `text`.
 */
export function createLogger(setting: string | undefined, write: WriteLine, format: string = 'text'): Logger {
  const level = setting?.toLowerCase();
  const least = level === 'silent' ? LEVELS.length : LEVELS.findIndex((known) => known === (level ?? 'warn'));
  const from = least < 0 ? LEVELS.indexOf('warn') : least;
  const logAt =
    (own: LogLevel) =>
    (message: string, fields?: Record<string, unknown>): void => {
      if (LEVELS.indexOf(own) >= from) write((format === 'json' ? jsonLine : line)(own, message, fields), own);
    };
  return { debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') };
}

/** The logger of an environment: `CERTBUS_LOG` is its level, `CERTBUS_LOG_FORMAT` its format. */
export function loggerOf({
  variables,
  writeLine,
}: {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly writeLine: WriteLine;
}): Logger {
  return createLogger(variables['CERTBUS_LOG'], writeLine, variables['CERTBUS_LOG_FORMAT']);
}
