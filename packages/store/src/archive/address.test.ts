import { expect, test } from 'vitest';
import { parseArchiveAddress } from './address.ts';

test.each([
  ['file:./archive', { kind: 'folder', path: './archive' }],
  ['file:/srv/archive', { kind: 'folder', path: '/srv/archive' }],
  ['file:///srv/archive', { kind: 'folder', path: '/srv/archive' }],
  ['s3://my-bucket', { kind: 's3', bucket: 'my-bucket', prefix: undefined, region: undefined, endpoint: undefined }],
  [
    's3://my-bucket/certbus/prod/?region=eu-central-1',
    { kind: 's3', bucket: 'my-bucket', prefix: 'certbus/prod', region: 'eu-central-1', endpoint: undefined },
  ],
  [
    's3://my-bucket/certbus/v1.2/.old',
    { kind: 's3', bucket: 'my-bucket', prefix: 'certbus/v1.2/.old', region: undefined, endpoint: undefined },
  ],
])('%s is where it says', (address, place) => {
  expect(parseArchiveAddress(address)).toEqual(place);
});

test.each([
  ['', 'neither file: nor s3:'],
  ['/srv/archive', 'neither file: nor s3:'],
  ['file:', 'no folder'],
  ['s3://', 'no bucket'],
  ['s3://My_Bucket', 'no bucket'],
  ['s3://bucket/a b', 'prefix'],
  ['s3://bucket/../x', 'prefix'],
  ['s3://bucket/certbus/..', 'a part of dots alone'],
  ['s3://bucket/certbus/./x', 'a part of dots alone'],
  ['s3://bucket?zone=1', 'parameter "zone"'],
  ['s3://bucket?endpoint=ftp://x', 'endpoint'],
  ['s3://bucket?region=', 'its region is empty'],
  ['s3://bucket?region=a&region=b', 'more than one region'],
  ['s3://bucket?region=EU-CENTRAL-1', 'its region has other characters'],
])('%s is refused, with what is wrong and what it should be', (address, why) => {
  expect(() => parseArchiveAddress(address)).toThrow(why);
  expect(() => parseArchiveAddress(address)).toThrow('s3://BUCKET/PREFIX');
});

test.each([
  's3://bucket?endpoint=https://ops:s3cret@s3.test',
  's3://bucket?endpoint=https%3A%2F%2Fops%3As3cret%40s3.test',
  's3://bucket?endpoint=https://s3cret@s3.test',
  's3://ops:s3cret@bucket/prefix',
  'https://ops:s3cret@s3.test/bucket',
])('%s is refused without its password', (address) => {
  expect(() => parseArchiveAddress(address)).toThrow(/^"(?:s3|https):…" is not the address of an archive/);
  expect(() => parseArchiveAddress(address)).not.toThrow(/s3cret/);
});
