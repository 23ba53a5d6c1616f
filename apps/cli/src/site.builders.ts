/** Writes to a bus that `certbus init` made, and asks its servers, for tests. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as dial } from 'node:tls';
import { createId, open, parseManagerKey, parseTrust, seal } from '@certbus/events';
import { BEGINNING, EMPTY_BUS, evolveBus, type WrittenEvent } from '@certbus/events/history';
import { type Bus, openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { createTlsIdentity } from 'certbus-services';

/** Opens the bus that `certbus init` made in a folder, for its manager. */
async function openSite(site: string): Promise<{ bus: Bus; close(): Promise<void> }> {
  const text = (file: string) => readFileSync(join(site, file), 'utf8');
  const { signer } = parseManagerKey(text('manager.key'));
  const log = await openLog(`sqlite:${join(site, 'bus.db')}#certbus`);
  return { bus: openBus(log, 'certbus', { trust: parseTrust(text('bus.pub')), signer }), close: () => log.close() };
}

/** The text of every commit on a site's bus. */
export async function commitsOf(site: string): Promise<string> {
  const log = await openLog(`sqlite:${join(site, 'bus.db')}#certbus`);
  const texts: string[] = [];
  for (let isEnd = false; !isEnd; ) {
    // A page is bounded by its bytes as well.
    const { commits, end } = await log.read('certbus', texts.length, { limit: 10_000, consistent: true });
    texts.push(...commits.map(({ bytes }) => Buffer.from(bytes).toString()));
    isEnd = end;
  }
  await log.close();
  return texts.join('');
}

/** How an age file begins, in base64. */
const SEALED = /YWdlLWVuY3J5cHRpb24ub3JnL3Yx[A-Za-z0-9+/]+=*/g;

/** The private keys, in PEM, that are sealed in a text and open for an age identity in one of these files. */
export async function sealedKeysIn(text: string, keyFiles: readonly string[]): Promise<readonly string[]> {
  const identities = [...new Set(keyFiles.flatMap((file) => file.match(/^AGE-SECRET-KEY-\S+$/gm) ?? []))];
  const sealed = [...new Set(text.match(SEALED))];
  const opened = await Promise.all(
    sealed.flatMap((each) => identities.map((identity) => open(each, identity).catch(() => ''))),
  );
  return [...new Set(opened.filter((each) => each.includes('PRIVATE KEY')))];
}

/** Says events on a site's bus, as its manager would. */
async function say(site: string, events: (state: typeof EMPTY_BUS) => Promise<readonly WrittenEvent[]>): Promise<void> {
  const { bus, close } = await openSite(site);
  let state = EMPTY_BUS;
  let checkpoint = BEGINNING;
  for (;;) {
    const page = await bus.read(checkpoint, { consistent: true });
    for (const commit of page.commits) state = evolveBus(state, commit);
    ({ checkpoint } = page);
    if (page.end) break;
  }
  await bus.append(checkpoint, await events(state), { at: new Date() });
  await close();
}

/** Puts a certificate for `localhost` on a site's bus, sealed to its recipients; returns its serial number. */
export async function putCertificate(site: string, certificateId = createId()): Promise<string> {
  const { certificate, key } = await createTlsIdentity();
  const leaf = new X509Certificate(certificate);
  const names = ['localhost'];
  await say(site, async ({ recipients }) => [
    {
      type: 'CertificateImported',
      certificateId,
      names,
      leaf: leaf.raw.toString('base64'),
      issuers: [],
      sealedKey: await seal(key, recipients),
      serialNumber: leaf.serialNumber,
      notBefore: new Date(leaf.validFrom).toISOString(),
      notAfter: new Date(leaf.validTo).toISOString(),
    },
  ]);
  return leaf.serialNumber;
}

/** Says on a site's bus that its CA revoked a certificate, PEM, which makes it due. */
export async function markRevoked(site: string, certificateId: string, pem: string): Promise<void> {
  const leafHash = createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url');
  await say(site, async () => [{ type: 'CertificateRevoked', certificateId, leafHash, reason: 5 }]);
}

/** Puts a certificate of a CA on a site's bus that has ended, and what a manager said of it then: a claim, or that it failed. */
export async function putEnded(
  site: string,
  {
    certificateId,
    names,
    directory,
    claim,
    notBefore,
  }: {
    readonly certificateId: string;
    readonly names: readonly string[];
    readonly directory: string;
    /** What a manager that was killed claims. Default: nothing. */
    readonly claim?: { readonly holder: string; readonly until: Date };
    /** Until when the last failure asks to wait. Default: it did not fail. */
    readonly notBefore?: Date;
  },
): Promise<void> {
  const { certificate, key } = await createTlsIdentity();
  const leaf = new X509Certificate(certificate).raw.toString('base64');
  const issuanceId = createId();
  const common = { certificateId, names, directory, challengeType: 'dns-01' } as const;
  const ended = { notBefore: '2026-01-01T00:00:00.000Z', notAfter: '2026-03-01T00:00:00.000Z', serialNumber: '0A' };
  await say(site, async ({ recipients, recipientsPosition }) => {
    const sealedKey = await seal(key, recipients);
    const csr = { csr: leaf, sealedKey, recipientsPosition };
    const issued = { issuanceId, ...common, leaf, issuers: [], sealedKey, ...ended };
    const events: WrittenEvent[] = [{ type: 'CertificateObtained', reason: 'new', ...issued }];
    if (claim)
      events.push({
        type: 'IssuanceStarted',
        issuanceId,
        reason: 'renewal',
        ...common,
        ...csr,
        holder: claim.holder,
        until: claim.until.toISOString(),
      });
    if (notBefore)
      events.push({
        type: 'IssuanceFailed',
        issuanceId,
        certificateId,
        problem: 'urn:ietf:params:acme:error:dns',
        class: 'temporary',
        detail: 'no TXT record',
        attempt: 1,
        notBefore: notBefore.toISOString(),
        directory,
      });
    return events;
  });
}

/** The serial number of what a server on this port shows for `localhost`. */
export function serialAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    // The certificate is looked at, not trusted: each has a new root.
    const socket = dial({ host: '127.0.0.1', port, servername: 'localhost', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
