/** Reads Secrets of Kubernetes as `kubectl get secret -o yaml` or `-o json` prints them, with the Issuers of cert-manager among them. */
import { createCollector, listOf, type Reading, recordOf, textOf } from '../reading.ts';

type Fields = Readonly<Record<string, unknown>>;

const metadataOf = (object: Fields): Fields => recordOf(object['metadata']);

/** Objects of a document: itself, or those of a list. */
const objectsOf = (document: unknown): Fields[] => {
  const object = recordOf(document);
  return Array.isArray(object['items']) ? listOf(object['items']).map(recordOf) : [object];
};

/** Whether documents are objects of Kubernetes. */
export const isKubernetes = (documents: readonly unknown[]): boolean =>
  documents.flatMap(objectsOf).some((object) => textOf(object['kind']) !== undefined && 'apiVersion' in object);

/** A value of a Secret, whose `data` is base64 and whose `stringData` is not. */
function fieldOf(secret: Fields, name: string): string | undefined {
  const plain = textOf(recordOf(secret['stringData'])[name]);
  const encoded = textOf(recordOf(secret['data'])[name]);
  return plain ?? (encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString());
}

const placeOf = (object: Fields): string => {
  const { namespace, name } = metadataOf(object);
  return [textOf(namespace), textOf(name) ?? 'without a name'].filter(Boolean).join('/');
};

/** An issuer of cert-manager that asks an ACME CA. */
interface AcmeIssuer {
  readonly kind: string;
  readonly name: string;
  /** `undefined` for one of the whole cluster. */
  readonly namespace: string | undefined;
  readonly server: string | undefined;
  /** Name of the Secret of its account key. */
  readonly secret: string | undefined;
}

function issuersOf(objects: readonly Fields[]): AcmeIssuer[] {
  return objects.flatMap((object) => {
    const kind = textOf(object['kind']) ?? '';
    if (kind !== 'Issuer' && kind !== 'ClusterIssuer') return [];
    const acme = recordOf(recordOf(object['spec'])['acme']);
    const { name, namespace } = metadataOf(object);
    const secret = textOf(recordOf(acme['privateKeySecretRef'])['name']);
    return [{ kind, name: textOf(name) ?? '', namespace: textOf(namespace), server: textOf(acme['server']), secret }];
  });
}

/** The CA of a Secret, by the annotations that cert-manager puts on it. */
function serverOf(secret: Fields, issuers: readonly AcmeIssuer[]): string | undefined {
  const { annotations, namespace } = metadataOf(secret);
  const noted = recordOf(annotations);
  const [name, kind = 'Issuer'] = [
    textOf(noted['cert-manager.io/issuer-name']),
    textOf(noted['cert-manager.io/issuer-kind']),
  ];
  const isMeant = (issuer: AcmeIssuer) =>
    issuer.name === name &&
    issuer.kind === kind &&
    (kind === 'ClusterIssuer' || issuer.namespace === textOf(namespace));
  return issuers.find(isMeant)?.server;
}

/** Reads the certificates of TLS Secrets, and the account keys that Issuers among the documents name. */
export function readCertManager(documents: readonly unknown[]): Reading {
  const found = createCollector();
  const objects = documents.flatMap(objectsOf);
  const issuers = issuersOf(objects);
  for (const secret of objects.filter(({ kind }) => kind === 'Secret')) {
    const source = `secret ${placeOf(secret)}`;
    const [certificate, key] = [fieldOf(secret, 'tls.crt'), fieldOf(secret, 'tls.key')];
    const { name } = metadataOf(secret);
    const account = issuers.find((issuer) => issuer.secret === name && issuer.server !== undefined);
    if (account && key) found.accounts.push({ source, key: { pem: key }, ca: { directory: account.server } });
    else if (certificate && key)
      found.certificates.push({ source, certificate, key, ca: { directory: serverOf(secret, issuers) } });
    else if (secret['type'] === 'kubernetes.io/tls') found.refuse(source, 'it lacks tls.crt or tls.key');
    else found.skip(source, 'it is not a TLS secret');
  }
  return found;
}
