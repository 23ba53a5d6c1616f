import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { openLog } from './open.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const OPEN = new URL('./open.ts', import.meta.url).href;

/** Opens an address in a process of its own in which no package of AWS can be found. */
function openWithoutAws(address: string) {
  const script = `
    import { registerHooks } from 'node:module';
    registerHooks({ resolve(name, context, next) {
      if (name.startsWith('@aws-sdk/')) throw new Error('loaded ' + name);
      return next(name, context);
    } });
    const { openLog } = await import(${JSON.stringify(OPEN)});
    await (await openLog(${JSON.stringify(address)}, { create: true })).close();`;
  return promisify(execFile)(process.execPath, ['--conditions=certbus:source', '--input-type=module', '-e', script]);
}

test('opening a SQLite bus loads nothing of AWS, which a DynamoDB one does', async () => {
  await openWithoutAws(`sqlite:${join(folder.path, 'bus.db')}`);
  await openWithoutAws('memory:');
  await expect(openWithoutAws('dynamodb://table/s?region=x')).rejects.toThrow('loaded @aws-sdk/client-dynamodb');
});

test.each(['memory:x', `sqlite:${join(folder.path, 'never.db')}`, 'dynamodb://table/s?region=x'])(
  'opening %s ends with the signal',
  async (address) => {
    const reason = new Error('stop');
    await expect(openLog(address, { create: true, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  },
);
