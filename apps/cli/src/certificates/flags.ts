/** Flags that commands about certificates share. */
import { Flags } from '@oclif/core';
import { parseInstant } from '../instant.ts';

/** The instant at which the bus is looked at. */
export const AT_FLAG = Flags.custom<Date>({
  description: 'what the bus said at this time, such as 2027-01-31 or 2027-01-31T03:00:00Z',
  parse: async (text) => parseInstant(text),
})();
