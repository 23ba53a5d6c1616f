/** Tests what of the environment comes to the programs that sandbox and demo start. */
import { expect, test } from 'vitest';
import { environmentOf, foreignSettings } from './environment.ts';

test("of the user's own CertBus nothing comes to the programs, and what is in the way of their bus is named", () => {
  const env = {
    PATH: '/bin',
    CERTBUS_TRUST: './mine.pub',
    CERTBUS_BUS: 'dynamodb://mine/bus',
    CERTBUS_STATE_DIR: '/mine',
  };
  const settings = { CERTBUS_STATE_DIR: '/sandbox' };
  expect(environmentOf(env, settings)).toEqual({
    PATH: '/bin',
    NO_PROXY: '*',
    no_proxy: '*',
    NO_COLOR: '1',
    CERTBUS_STATE_DIR: '/sandbox',
  });
  expect(foreignSettings(env, settings)).toEqual(['CERTBUS_BUS', 'CERTBUS_TRUST']);
});
