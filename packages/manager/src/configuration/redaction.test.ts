/** Tests that secrets are shown as `<redacted>`, and kept when that is sent back. */
import { PROVIDERS } from '@certbus/solvers';
import { expect, test } from 'vitest';
import { mergeRedacted, redactConfiguration } from './redaction.ts';

const one = { zones: ['one.test'], provider: 'cloudflare', token: 'the first' };
const two = { zones: ['two.test'], provider: 'cloudflare', token: 'the second' };
const three = { zones: ['three.test'], provider: 'rfc2136', key: { name: 'k', secret: 'the third' } };
const byEnv = { zones: ['four.test'], provider: 'cloudflare', token: { env: 'CERTBUS_SECRET_CF' } };
const stored = { authorities: { ca: { eab: { kid: 'kid', hmacKey: 'bound' } } }, dns: [one, two, three, byEnv] };
const shown = redactConfiguration(stored) as typeof stored;

test('literal secrets are shown as <redacted>, names of variables as they are', () => {
  expect(JSON.stringify(shown)).not.toMatch(/the first|the second|the third|bound/);
  expect(shown.dns[3]).toEqual(byEnv);
  expect(shown.authorities.ca.eab).toEqual({ kid: 'kid', hmacKey: '<redacted>' });
});

test('what is sent back as it was shown keeps every secret', () => {
  expect(mergeRedacted(shown, stored)).toEqual(stored);
});

test('a list in another order, shortened, or with one item edited keeps every secret where it belongs', () => {
  const [first, second, third] = shown.dns;
  expect(mergeRedacted({ dns: [third, second, first] }, stored)).toEqual({ dns: [three, two, one] });
  expect(mergeRedacted({ dns: [second] }, stored)).toEqual({ dns: [two] });
  const edited = { ...first, zones: ['other.test'] };
  expect(mergeRedacted({ dns: [second, third, byEnv, edited] }, stored)).toEqual({
    dns: [two, three, byEnv, { ...one, zones: ['other.test'] }],
  });
});

test('<redacted> where no secret is stored is refused by its path', () => {
  const added = { zones: ['five.test'], provider: 'cloudflare', token: '<redacted>' };
  expect(() => mergeRedacted({ dns: [...shown.dns, added] }, stored)).toThrow(/dns\.4\.token says <redacted>/);
  expect(() => mergeRedacted(shown, undefined)).toThrow(
    expect.objectContaining({ code: 'CERTBUS_MANAGER_CONFIG_INVALID' }),
  );
});

test.each(PROVIDERS)('no secret of $name is shown', ({ example }) => {
  const inTheClear = JSON.parse(JSON.stringify(example), (_, value) =>
    typeof value === 'object' && 'env' in value ? 'in the clear' : value,
  );
  const hidden = redactConfiguration({ dns: [inTheClear] });
  expect(JSON.stringify(hidden)).not.toContain('in the clear');
  expect(mergeRedacted(hidden, { dns: [inTheClear] })).toEqual({ dns: [inTheClear] });
});
