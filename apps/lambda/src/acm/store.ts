/** Certificates in AWS Certificate Manager that were imported from a bus. */
import { createHash, X509Certificate } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import {
  ACMClient,
  type CertificateSummary,
  GetCertificateCommand,
  ImportCertificateCommand,
  type KeyAlgorithm,
  ListTagsForCertificateCommand,
  paginateListCertificates,
  ResourceNotFoundException,
  ThrottlingException,
} from '@aws-sdk/client-acm';
import { BUS_TAG } from './tag.ts';

/** The tag that names the managed certificate, whose id stays the same at each renewal. */
const CERTIFICATE_TAG = 'certbus:certificate';

/** A certificate that was imported before. */
export interface Imported {
  readonly arn: string;
  /** SHA-256 of the leaf's DER, base64url. */
  readonly leafHash: string;
}

/** A certificate to import. */
export interface Importable {
  readonly certificateId: string;
  /** PEM, leaf first. */
  readonly cert: string;
  /** PEM (PKCS#8). */
  readonly key: string;
}

/** The certificates of one bus in one region. */
export interface AcmStore {
  /** Those that were imported, by the ids of the managed certificates: more than one where two runs began with it. Rejects as the SDK does. */
  read(signal: AbortSignal): Promise<ReadonlyMap<string, readonly Imported[]>>;
  /** Imports a certificate, over the one at an ARN where there is one, and returns the ARN. Rejects as the SDK does. */
  put(certificate: Importable, arn: string | undefined, signal: AbortSignal): Promise<string>;
  close(): void;
}

/** Without them a list has RSA-2048 alone. */
const KEY_TYPES: KeyAlgorithm[] = ['RSA_2048', 'RSA_3072', 'RSA_4096', 'EC_prime256v1', 'EC_secp384r1', 'EC_secp521r1'];
const BLOCK = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?/gs;

const leafHashOf = (pem: string): string =>
  createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url');

const ATTEMPTS = 5;

/** Where a store is. */
export interface AcmPlace {
  readonly region: string;
  /** The value of the tag that names the bus. */
  readonly bus: string;
  /** Before a first import that ACM had no room for is tried again, and twice as long each time after that. Default 500. */
  readonly pauseMs?: number;
}

/** Opens the certificates of a bus in a region. An ARN stays the same at each renewal, so that listeners and distributions keep it. */
export function openAcm({ region, bus, pauseMs = 500 }: AcmPlace): AcmStore {
  const client = new ACMClient({ region, maxAttempts: ATTEMPTS });
  const once = new ACMClient({ region, maxAttempts: 1 });

  /** Imports what is not in ACM: again only where ACM says that it did nothing. A request whose answer was lost would make a second ARN. */
  async function importFirst(request: ImportCertificateCommand, abortSignal: AbortSignal) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await once.send(request, { abortSignal });
      } catch (error) {
        if (!(error instanceof ThrottlingException) || attempt >= ATTEMPTS) throw error;
        await setTimeout(pauseMs * 2 ** (attempt - 1), undefined, { signal: abortSignal });
      }
    }
  }

  /** The managed certificate that one of ACM was imported from; `undefined` where it is not one of this bus. */
  async function certificateIdOf(CertificateArn: string, abortSignal: AbortSignal): Promise<string | undefined> {
    const { Tags = [] } = await client.send(new ListTagsForCertificateCommand({ CertificateArn }), { abortSignal });
    const tag = (name: string) => Tags.find(({ Key }) => Key === name)?.Value;
    return tag(BUS_TAG) === bus ? tag(CERTIFICATE_TAG) : undefined;
  }

  /** What was listed and is one of this bus; `undefined` for any other, and for what somebody deleted meanwhile. */
  async function find(summary: CertificateSummary, abortSignal: AbortSignal) {
    try {
      return await describe(summary, abortSignal);
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      throw error;
    }
  }

  async function describe({ CertificateArn: arn = '', Type }: CertificateSummary, abortSignal: AbortSignal) {
    if (Type !== undefined && Type !== 'IMPORTED') return undefined;
    const certificateId = await certificateIdOf(arn, abortSignal);
    if (certificateId === undefined) return undefined;
    const { Certificate = '' } = await client.send(new GetCertificateCommand({ CertificateArn: arn }), { abortSignal });
    return { certificateId, imported: { arn, leafHash: leafHashOf(Certificate) } };
  }

  return {
    async read(signal) {
      const found: { readonly certificateId: string; readonly imported: Imported }[] = [];
      for await (const { CertificateSummaryList = [] } of paginateListCertificates(
        { client },
        { Includes: { keyTypes: KEY_TYPES } },
        { abortSignal: signal },
      )) {
        for (const summary of CertificateSummaryList) {
          const known = await find(summary, signal);
          if (known) found.push(known);
        }
      }
      const byId = Map.groupBy(found, ({ certificateId }) => certificateId);
      return new Map([...byId].map(([id, all]) => [id, all.map(({ imported }) => imported)]));
    },
    async put({ certificateId, cert, key }, arn, signal) {
      const [leaf = '', ...others] = cert.match(BLOCK) ?? [];
      const tags = [
        { Key: BUS_TAG, Value: bus },
        { Key: CERTIFICATE_TAG, Value: certificateId },
      ];
      const request = new ImportCertificateCommand({
        Certificate: Buffer.from(leaf),
        PrivateKey: Buffer.from(key),
        ...(others.length > 0 ? { CertificateChain: Buffer.from(others.join('')) } : {}),
        // What is imported over another one keeps its tags, and takes none.
        ...(arn === undefined ? { Tags: tags } : { CertificateArn: arn }),
      });
      const { CertificateArn = '' } =
        arn === undefined ? await importFirst(request, signal) : await client.send(request, { abortSignal: signal });
      return CertificateArn;
    },
    close() {
      client.destroy();
      once.destroy();
    },
  };
}
