/** Reads instants that a user typed. */
import { CliError } from './errors.ts';

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const TIME = /^(\d{4}-\d{2}-\d{2})[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})$/i;

/** Whether a day is in the calendar: `Date` makes the 3rd of March out of the 31st of February. */
function isDay(day: string): boolean {
  const parsed = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(day);
}

/**
 * Reads `2027-01-31`, which is its first moment in UTC, or `2027-01-31T03:00:00Z`, where an offset such as `+01:00` may stand for
 * `Z`. Throws `CERTBUS_CLI_USAGE` for all else, also a day that is not in the calendar.
 */
export function parseInstant(text: string): Date {
  const day = DATE.test(text) ? text : TIME.exec(text)?.[1];
  const instant = new Date(text.replace(' ', 'T'));
  if (day !== undefined && isDay(day) && !Number.isNaN(instant.getTime())) return instant;
  throw new CliError(
    'CERTBUS_CLI_USAGE',
    `"${text}" is not a date. Write one like 2027-01-31, or with a time like 2027-01-31T03:00:00Z.`,
  );
}
