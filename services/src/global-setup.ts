/** What vitest does once, before the first test and after the last. */
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { BUNDLED_THREAD, bundleThread } from './bundle.ts';
import { temporaryFolder } from './machine.ts';
import { useMemoryFolder } from './memory-folder.ts';
import { startOffers } from './offers.ts';
import { installParts } from './parts.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where a test file asks for what the run shares. */
    readonly offers: string;
  }
}

/** Where every process of the run finds what another one has compiled. */
const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url));

/** vitest calls this before the first test, and what it returns after the last. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  process.env['NODE_COMPILE_CACHE'] = COMPILED;
  await installParts();
  const removeFolder = useMemoryFolder();
  const bundled = temporaryFolder();
  // While files are watched, threads run what was written last.
  if (!project.vitest.config.watch) process.env[BUNDLED_THREAD] ??= await bundleThread(bundled.path);
  const { url, forgetSources, stop } = await startOffers();
  project.provide('offers', url);
  project.onTestsRerun(forgetSources);
  return async () => {
    await stop();
    bundled.remove();
    removeFolder();
  };
}
