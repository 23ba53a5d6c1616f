/** The alarms of the targets, for those who count them. */

/** Alarms as they come. */
export interface Alarms {
  raise(error: Error): void;
  /** Calls the one listener with each alarm, those before it among them. */
  listen(listener: (error: Error) => void): void;
}

/** Makes alarms, which are kept until there is a listener: targets are fed before the pages that count have been loaded. */
export function createAlarms(): Alarms {
  let early: Error[] = [];
  let heard: ((error: Error) => void) | undefined;
  return {
    raise(error) {
      if (heard) heard(error);
      else early.push(error);
    },
    listen(listener) {
      heard = listener;
      for (const error of early) listener(error);
      early = [];
    },
  };
}
