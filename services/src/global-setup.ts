import { installParts } from './parts.ts';

/** vitest calls this once before the first test. */
export async function setup(): Promise<void> {
  await installParts();
}
