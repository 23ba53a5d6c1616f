import { expect, test } from 'vitest';
import { changesBetween } from './changes.ts';

const one = { zones: ['one.test'], provider: 'powerdns', url: 'https://one.test', apiKey: 'the first' };
const two = { zones: ['two.test'], provider: 'powerdns', url: 'https://two.test', apiKey: 'the second' };
const before = { version: 1, checkIn: { url: 'https://in.test' }, dns: [one, two] };

test.each([
  ['nothing', before, {}],
  ['nothing, in another order of fields', { dns: before.dns, checkIn: before.checkIn, version: 1 }, {}],
  ['a field inside', { ...before, checkIn: { url: 'https://else.test' } }, { changed: ['checkIn.url'] }],
  ['a field more', { ...before, checkIn: { ...before.checkIn, within: '2d' } }, { added: ['checkIn.within'] }],
  ['a section less', { version: 1, dns: before.dns }, { removed: ['checkIn'] }],
  ['an item less', { ...before, dns: [two] }, { removed: ['dns.0'] }],
  ['an item more', { ...before, dns: [{ provider: 'exec' }, one, two] }, { added: ['dns.0'] }],
  ['the order of items', { ...before, dns: [two, one] }, { changed: ['dns'] }],
  [
    'an item less, and the other one edited',
    { ...before, dns: [{ ...two, zones: ['two.test', 'new.test'] }] },
    { changed: ['dns.0.zones'], removed: ['dns.0'] },
  ],
  ['a secret', { ...before, dns: [one, { ...two, apiKey: 'the third' }] }, { changed: ['dns.1.apiKey'] }],
  [
    'an object in the place of a secret',
    { ...before, dns: [one, { ...two, apiKey: { env: 'E' } }] },
    { changed: ['dns.1.apiKey'] },
  ],
  ['a list in the place of an object', { ...before, checkIn: [] }, { changed: ['checkIn'] }],
])('%s differs: its paths', (_, after, expected) => {
  expect(changesBetween(before, after)).toEqual({ added: [], removed: [], changed: [], ...expected });
});

test('where nothing was, everything is added', () => {
  expect(changesBetween({}, before)).toEqual({ added: ['version', 'checkIn', 'dns'], removed: [], changed: [] });
});
