/** The address of an archive as one text. */
import { parametersProblem, shownAddress } from '../endpoint.ts';
import { StoreError } from '../errors.ts';

/** Where an archive is. */
export type ArchiveAddress =
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      readonly prefix: string | undefined;
      readonly region: string | undefined;
      readonly endpoint: string | undefined;
    };

function refuse(address: string, why: string): StoreError {
  const what = `${shownAddress(address)} is not the address of an archive: ${why}. An address reads file:./FOLDER or s3://BUCKET/PREFIX?region=REGION.`;
  return new StoreError('CERTBUS_STORE_ADDRESS_INVALID', what);
}

function parseS3(address: string): ArchiveAddress {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(address);
  if (!match?.[1]) throw refuse(address, 'it names no bucket');
  const prefix = match[2]?.replace(/\/+$/, '') || undefined;
  // A part of dots alone leads somewhere else where a path is made of it.
  if (prefix && !/^[\w-]+(?:\/(?!\.+(?:\/|$))[\w.-]+)*$/.test(prefix))
    throw refuse(
      address,
      'its prefix has other characters than letters, digits, dots, dashes, underscores and slashes, or a part of dots alone',
    );
  const parameters = new URLSearchParams(match[3] ?? '');
  for (const key of parameters.keys())
    if (key !== 'region' && key !== 'endpoint') throw refuse(address, `it has no parameter "${key}"`);
  const problem = parametersProblem(parameters);
  if (problem) throw refuse(address, problem);
  const region = parameters.get('region') ?? undefined;
  return { kind: 's3', bucket: match[1], prefix, region, endpoint: parameters.get('endpoint') ?? undefined };
}

/** Reads an archive's address. Throws `CERTBUS_STORE_ADDRESS_INVALID`, which says what is wrong and shows the forms. */
export function parseArchiveAddress(address: string): ArchiveAddress {
  if (address.startsWith('s3:')) return parseS3(address);
  if (!address.startsWith('file:')) throw refuse(address, 'it begins with neither file: nor s3:');
  const path = address.slice('file:'.length).replace(/^\/\/(?=\/)/, '');
  if (path === '') throw refuse(address, 'it names no folder');
  return { kind: 'folder', path };
}
