/** Issues the certificate of a finalized order, at once or later. */
import type { Ca } from './ca.ts';
import { certificateIdOf } from './certificate-id.ts';
import type { Profile } from './profile.ts';
import type { IssuedCertificate, Order, Validity } from './records.ts';

const BACKDATE_MS = 3_600_000;
const BACKDATED_PART = 10;

/**
 * Dates of a certificate that is issued, or ordered, at an instant. As at Let's Encrypt: an hour back, for clients whose clocks are late, and
 * the last second counts. A short lifetime is not used up by that.
 */
export function validityFrom(at: Date, { validityMs }: Pick<Profile, 'validityMs'>): Validity {
  const backdateMs = Math.min(BACKDATE_MS, validityMs / BACKDATED_PART);
  const notBefore = new Date(Math.floor((at.getTime() - backdateMs) / 1000) * 1000);
  return { notBefore, notAfter: new Date(notBefore.getTime() + validityMs - 1000) };
}

const inProgress = new WeakMap<Order, { readonly publicKey: Uint8Array<ArrayBuffer>; issued?: Promise<void> }>();

async function sign(ca: Ca, order: Order, publicKey: Uint8Array<ArrayBuffer>): Promise<void> {
  const { account, identifiers, profile } = order;
  const validityMs = ca.settings.profiles[profile]?.validityMs ?? 0;
  const { notBefore, notAfter } = order.validity ?? validityFrom(ca.clock.now(), { validityMs });
  const { serial, leaf, chains } = await ca.hierarchy.sign({ publicKey, identifiers, notBefore, notAfter });
  const certificate: IssuedCertificate = {
    serial,
    certificateId: certificateIdOf(ca.hierarchy.keyIdentifier, serial),
    account,
    identifiers,
    profile,
    leaf,
    chains,
    notBefore,
    notAfter,
  };
  ca.records.certificates.set(serial, certificate);
  ca.limiter.recordIssuance(order);
  order.certificate = certificate;
  ca.emit('certificate', { serial, names: identifiers.map(({ value }) => value), notAfter });
}

/** Issues what a finalized order is due. */
export async function issueIfDue(ca: Ca, order: Order): Promise<void> {
  const work = inProgress.get(order);
  if (!work || !order.finalizing || order.certificate || order.finalizing.doneAt > ca.clock.now()) return;
  work.issued ??= sign(ca, order, work.publicKey);
  await work.issued;
}

/** Accepts an order for issuance: at once, or when the CA's time for it has passed on its clock. */
export async function beginIssuance(ca: Ca, order: Order, publicKey: Uint8Array<ArrayBuffer>): Promise<void> {
  order.finalizing = { doneAt: new Date(ca.clock.now().getTime() + ca.settings.finalizeDelayMs) };
  inProgress.set(order, { publicKey });
  await issueIfDue(ca, order);
}
