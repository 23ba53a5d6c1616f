/** The port that a client logs to, and what it writes there. */
import type { MaterialEvents } from '../serving/events.ts';

/** Where a client writes what it does, such as `console` or a logger of pino or winston. No key and no token ever appears in it. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** What events are listened to with. */
export interface EventSource {
  on<Event extends keyof MaterialEvents>(event: Event, listener: (...args: MaterialEvents[Event]) => void): unknown;
}

const MOST_NAMES = 10;

const listed = (names: readonly string[]): string =>
  names.length > MOST_NAMES
    ? `${names.slice(0, MOST_NAMES).join(' ')} and ${names.length - MOST_NAMES} more`
    : names.join(' ');

/** Writes a client's events to a logger: alarms as errors, missing names as warnings, what is served as information. */
export function logEvents(source: EventSource, logger: Logger): void {
  source.on('alarm', (error) => logger.error(error.message));
  source.on('live', () => logger.info('caught up with the bus'));
  source.on('rebuilt', () => logger.info('what is served was read again as a whole'));
  source.on('changed', ({ certificateId, names, removed }) =>
    logger.info(`${removed ? 'removed' : 'serving'} ${listed(names)} (${certificateId})`),
  );
  source.on('missing', ({ serverName, leftOut }) => {
    const others = leftOut > 0 ? `, nor were there for ${leftOut} handshakes since the last line` : '';
    logger.warn(`no certificate covers ${JSON.stringify(serverName)}${others}`);
  });
  source.on('moved', () => logger.debug('the replica moved on'));
}
