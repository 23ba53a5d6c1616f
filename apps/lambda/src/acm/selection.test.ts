/** Tests of which certificates of a bus are imported, and where. */
import { expect, test } from 'vitest';
import { isChosen, parseChoice, parseRegions } from './selection.ts';

const certificates = [
  { certificateId: 'EeDPo7XVeRs', names: ['www.example.com', 'example.com'] },
  { certificateId: 'UALDUHpdGMs', names: ['*.shop.example.com'] },
  { certificateId: 'OrOlqLXSFes', names: ['badexample.com'] },
  { certificateId: 'x2zQ0uXo1Aw', names: ['2001:db8::1', 'www.xn--mnchen-3ya.test'] },
];
const chosenBy = (text: string) =>
  certificates.filter((each) => isChosen(each, parseChoice(text))).map(({ certificateId }) => certificateId);

test.each([
  ['a star', '*', ['EeDPo7XVeRs', 'UALDUHpdGMs', 'OrOlqLXSFes', 'x2zQ0uXo1Aw']],
  ['an id', 'UALDUHpdGMs', ['UALDUHpdGMs']],
  ['an id in another case, which is another id,', 'ualduhpdgms', []],
  ['a name', 'example.com', ['EeDPo7XVeRs']],
  ['a name in capitals', 'WWW.Example.COM', ['EeDPo7XVeRs']],
  ['a parent, for what is below it at any depth,', '*.example.com', ['EeDPo7XVeRs', 'UALDUHpdGMs']],
  ['a parent in capitals', '*.SHOP.example.com', ['UALDUHpdGMs']],
  ['a name with its last dot', 'example.com.', ['EeDPo7XVeRs']],
  ['a name in another script', 'www.MÜNCHEN.test', ['x2zQ0uXo1Aw']],
  ['a parent in another script', '*.münchen.test', ['x2zQ0uXo1Aw']],
  ['an address in its long form', '2001:0DB8:0:0:0:0:0:1', ['x2zQ0uXo1Aw']],
  ['a name that a wildcard covers and no certificate has', 'a.shop.example.com', []],
  ['the end of a name', 'ample.com', []],
  ['a list with spaces and empty places', ' EeDPo7XVeRs , ,badexample.com,', ['EeDPo7XVeRs', 'OrOlqLXSFes']],
  ['a name of another bus', 'none.example.net', []],
])('%s, "%s", chooses %j', (_, text, chosen) => {
  expect(chosenBy(text)).toEqual(chosen);
});

test.each([undefined, '', ' , '])('a list that names nothing is refused: %j', (text) => {
  expect(() => parseChoice(text)).toThrow(
    expect.objectContaining({
      code: 'CERTBUS_LAMBDA_SETTING_INVALID',
      message: expect.stringContaining('CERTBUS_ACM_CERTIFICATES names no certificate'),
    }),
  );
});

test.each([
  ['eu-central-1', ['eu-central-1']],
  [' us-east-1 , eu-central-1,us-east-1,', ['us-east-1', 'eu-central-1']],
  ['us-gov-west-1,cn-northwest-1,eusc-de-east-1,us-isob-east-1', undefined],
])('regions are taken each once: %s', (text, regions = text.split(',')) => {
  expect(parseRegions(text)).toEqual(regions);
});

test.each([
  [undefined, 'names no region, and AWS_REGION is not set'],
  [',', 'names no region, and AWS_REGION is not set'],
  ['eu-central-1, frankfurt, us-east-1a', 'has frankfurt, us-east-1a'],
  ['eu-central-1 us-east-1', 'has eu-central-1 us-east-1'],
])('what is not a list of regions is refused: %j', (text, why) => {
  expect(() => parseRegions(text)).toThrow(
    expect.objectContaining({
      code: 'CERTBUS_LAMBDA_SETTING_INVALID',
      message: expect.stringContaining(`CERTBUS_ACM_REGIONS ${why}. `),
    }),
  );
});
