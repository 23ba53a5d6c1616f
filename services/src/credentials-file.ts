/** Credentials of AWS in a file that another program renews, for tests of what reads them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { temporaryFolder } from './machine.ts';

/**
 * Makes such a file the only place of credentials until the test has finished. Returns what writes those of a session into it, as a program that renews
 * them does.
 */
export function useCredentialsFile(): (accessKeyId: string) => void {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  onTestFinished(() => void vi.unstubAllEnvs());
  const file = join(path, 'credentials');
  for (const each of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE'])
    vi.stubEnv(each, undefined);
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', file);
  vi.stubEnv('AWS_CONFIG_FILE', '/dev/null');
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  return (id) =>
    writeFileSync(
      file,
      `[default]\naws_access_key_id = ${id}\naws_secret_access_key = secret\naws_session_token = token\n`,
    );
}
