/** Certificates in AWS Certificate Manager that were imported from a bus. */
import { createHash, X509Certificate } from 'node:crypto';
import {
  ACMClient,
  type CertificateSummary,
  GetCertificateCommand,
  ImportCertificateCommand,
  type KeyAlgorithm,
  ListTagsForCertificateCommand,
  paginateListCertificates,
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
  /** Those that were imported, by the ids of the managed certificates. Rejects as the SDK does. */
  read(signal: AbortSignal): Promise<ReadonlyMap<string, Imported>>;
  /** Imports a certificate, over the one at an ARN where there is one, and returns the ARN. Rejects as the SDK does. */
  put(certificate: Importable, arn: string | undefined, signal: AbortSignal): Promise<string>;
  close(): void;
}

/** Without them a list has RSA-2048 alone. */
const KEY_TYPES: KeyAlgorithm[] = ['RSA_2048', 'RSA_3072', 'RSA_4096', 'EC_prime256v1', 'EC_secp384r1', 'EC_secp521r1'];
const BLOCK = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?/gs;

const leafHashOf = (pem: string): string =>
  createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url');

/** Opens the certificates of a bus in a region. An ARN stays the same at each renewal, so that listeners and distributions keep it. */
export function openAcm({ region, bus }: { readonly region: string; readonly bus: string }): AcmStore {
  const client = new ACMClient({ region, maxAttempts: 5 });

  /** The managed certificate that one of ACM was imported from; `undefined` where it is not one of this bus. */
  async function certificateIdOf(CertificateArn: string, abortSignal: AbortSignal): Promise<string | undefined> {
    const { Tags = [] } = await client.send(new ListTagsForCertificateCommand({ CertificateArn }), { abortSignal });
    const tag = (name: string) => Tags.find(({ Key }) => Key === name)?.Value;
    return tag(BUS_TAG) === bus ? tag(CERTIFICATE_TAG) : undefined;
  }

  async function find({ CertificateArn: arn = '', Type }: CertificateSummary, abortSignal: AbortSignal) {
    if (Type !== undefined && Type !== 'IMPORTED') return undefined;
    const certificateId = await certificateIdOf(arn, abortSignal);
    if (certificateId === undefined) return undefined;
    const { Certificate = '' } = await client.send(new GetCertificateCommand({ CertificateArn: arn }), { abortSignal });
    return { certificateId, imported: { arn, leafHash: leafHashOf(Certificate) } };
  }

  return {
    async read(signal) {
      const found = new Map<string, Imported>();
      for await (const { CertificateSummaryList = [] } of paginateListCertificates(
        { client },
        { Includes: { keyTypes: KEY_TYPES } },
        { abortSignal: signal },
      )) {
        for (const summary of CertificateSummaryList) {
          const known = await find(summary, signal);
          if (known) found.set(known.certificateId, known.imported);
        }
      }
      return found;
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
      const { CertificateArn = '' } = await client.send(request, { abortSignal: signal });
      return CertificateArn;
    },
    close: () => client.destroy(),
  };
}
