import { expect, test } from 'vitest';
import { documentOf, parseDocument } from './configuration-document.ts';
import { parseDnsSettings } from './dns-flags.ts';

test('a document has the configuration and its position, and is read as both', () => {
  const document = documentOf({ version: 1, dns: [] }, 7);
  expect(document).toEqual({ position: 7, version: 1, dns: [] });
  expect(parseDocument(JSON.stringify(document))).toEqual({ json: { version: 1, dns: [] }, position: 7 });
});

test.each(['{"version":1}', '[]', 'null', '"position"'])('%s has no position, and is left to the schema', (text) => {
  expect(parseDocument(text)).toEqual({ json: JSON.parse(text), position: undefined });
});

test.each(['0', '-1', '1.5', '"3"', 'null', '1e300'])('a position of %s is refused', (position) => {
  expect(() => parseDocument(`{"version":1,"position":${position}}`)).toThrow(
    expect.objectContaining({
      code: 'CERTBUS_CLI_CONFIG_INVALID',
      message: expect.stringContaining('position must be a whole number, 1 or more. Take it from'),
    }),
  );
});

test('what is not JSON is refused without being repeated', () => {
  expect(() => parseDocument('{"token": the-secret')).toThrow(
    /^What came on standard input cannot be read as JSON: line 1, column 11: (?!.*secret)/,
  );
});

test('a name that an object has twice is refused: JSON.parse would keep the last, and drop a CA or a zone', () => {
  const twice = '{\n  "authorities": {\n    "le": {},\n    "le": {}\n  }\n}';
  expect(() => parseDocument(twice, 'config.json')).toThrow(
    'config.json cannot be read as JSON: line 4, column 5: this name is in its object twice.',
  );
});

test('a byte order mark before a configuration, or before the settings of a provider, is left out', () => {
  expect(parseDocument('\ufeff{"version":1}').json).toEqual({ version: 1 });
  expect(parseDnsSettings('\ufeff{"url":"http://a.test"}', 'dns.json')).toEqual({ url: 'http://a.test' });
});
