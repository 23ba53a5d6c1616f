/** Settings of a program that writes DNS answers, in the configuration. */
import * as v from 'valibot';
import { lookup, nonEmpty } from '../../definition/fields.ts';
import type { DnsSettings, SettingsSchema } from '../../definition/provider.ts';

/** Answers by a program of the manager's machine. */
export interface ExecSettings extends DnsSettings {
  readonly provider: 'exec';
  /** Its name under `programs` in the machine's own `certbus.json`, the only place that defines it. */
  readonly program: string;
}

/** The schema of {@link ExecSettings}. */
export const settings: SettingsSchema<ExecSettings> = v.strictObject({
  ...lookup,
  provider: v.literal('exec'),
  program: nonEmpty,
});
