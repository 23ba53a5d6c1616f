/** Reads lengths of time that a user typed. */
import { CliError } from '../errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Reads `90m`, `36h`, `14d` or `2w` as milliseconds. Throws `CERTBUS_CLI_USAGE` for all else. */
export function parseDuration(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([mhdw])$/.exec(text.trim()) ?? [];
  const unitMs = UNIT_MS[unit];
  if (unitMs !== undefined) return Number(count) * unitMs;
  throw new CliError('CERTBUS_CLI_USAGE', `"${text}" is not a length of time. Write one like 14d, 36h or 90m.`);
}
