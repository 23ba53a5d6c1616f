/** The renewal information resource. */
import type { Ca } from '../ca.ts';
import { parseCertificateId } from '../certificate-id.ts';
import { timestamp } from '../clock.ts';
import type { Reply } from '../exchange.ts';
import { notFound } from '../problem-document.ts';
import { renewalWindow } from '../renewal-window.ts';

/** Says when a certificate is to be renewed (RFC 9773 §4). Anyone may ask. */
export function renewalInfo(ca: Ca, certificateId: string): Reply {
  const { keyIdentifier, serial } = parseCertificateId(certificateId);
  const certificate = keyIdentifier === ca.hierarchy.keyIdentifier ? ca.records.certificates.get(serial) : undefined;
  if (!certificate) throw notFound(`The certificate ${certificateId}`);
  const headers = { 'retry-after': String(ca.settings.renewalRetryAfterS) };
  const { overrides, incident } = ca.renewals;
  if (overrides.has(certificateId)) {
    const body = overrides.get(certificateId);
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return { status: 200, headers, contentType: 'application/json', body: text };
  }
  const { start, end, isIncident } = renewalWindow(certificate, incident, ca.clock.now());
  const page = isIncident ? incident?.explanationUrl : undefined;
  return {
    status: 200,
    headers,
    body: {
      suggestedWindow: { start: timestamp(start), end: timestamp(end) },
      ...(page === undefined ? {} : { explanationURL: page }),
    },
  };
}
