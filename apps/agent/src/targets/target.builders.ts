/** Certificates and changes that tests give a target without a bus. */
import { KeyObject, randomBytes } from 'node:crypto';
import { sha256 } from '@certbus/events';
import { createIssuer, createKeys, createLeaf } from 'certbus-services';
import { onTestFinished } from 'vitest';
import { checkPair, type UncheckedPair } from '../pairs/pair.ts';
import { wildcardOf } from './ranking.ts';
import type { Change, Target, Wanted } from './target.ts';

const NOW = new Date();
const SERIAL_BYTES = 8;
const issuer = await createIssuer('Issuer');

/** A certificate that a target can be given. */
export interface TestWanted extends Wanted {
  readonly leafHash: string;
  readonly serialNumber: string;
  readonly unchecked: UncheckedPair;
}

/** Makes a certificate. */
export async function createWanted(certificateId: string, names: readonly string[]): Promise<TestWanted> {
  const keys = await createKeys();
  const own = `5A${randomBytes(SERIAL_BYTES).toString('hex')}`;
  const leaf = await createLeaf({ issuer, names, publicKey: keys.publicKey, serialNumber: own });
  const leafHash = sha256(Buffer.from(leaf.rawData));
  const unchecked = {
    certificateId,
    issued: { names, leafHash },
    cert: [leaf, issuer.certificate].map((each) => `${each.toString('pem')}\n`).join(''),
    key: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  const serialNumber = leaf.serialNumber.toUpperCase();
  return {
    certificateId,
    names,
    leafHash,
    serialNumber,
    unchecked,
    open: async () => checkPair(unchecked, { now: NOW }),
  };
}

const signal = new AbortController().signal;

/** Watches a target, and gives what it reports until it is ended. */
export function watched(target: Target): { readonly reports: readonly string[]; end(): Promise<void> } {
  const stop = new AbortController();
  const reports: string[] = [];
  const watcher = { onLost: () => void reports.push('lost'), onBack: () => void reports.push('back') };
  const watching = target.watch?.(watcher, stop.signal);
  const end = async () => {
    stop.abort();
    await watching;
  };
  onTestFinished(end);
  return { reports, end };
}

/** Brings a target to some certificates, as a pass does: the first of them ranks first for each name. */
export async function bring(
  target: Target,
  wanted: readonly TestWanted[],
  { defaultId, signal: stop = signal }: { readonly defaultId?: string; readonly signal?: AbortSignal } = {},
) {
  const byId = new Map(wanted.map((each) => [each.certificateId, each]));
  const bestFor: Change['bestFor'] = (name, isAmong) =>
    wanted.find(
      ({ certificateId, names }) =>
        isAmong(certificateId) && (names.includes(name) || names.includes(wildcardOf(name) ?? '')),
    )?.certificateId;
  const {
    leafHashes,
    outdated,
    defaultId: heldDefault,
    isInEffect,
  } = await target.held({ wanted: byId, bestFor }, stop);
  const put = wanted.filter(
    ({ certificateId: id, leafHash }) => leafHashes.get(id) !== leafHash || outdated?.has(id) === true,
  );
  const remove = [...leafHashes.keys()].filter((id) => !byId.has(id));
  const isNothing = put.length + remove.length === 0 && isInEffect && heldDefault === defaultId;
  const applied = isNothing ? undefined : await target.apply({ put, remove, defaultId, wanted: byId, bestFor }, stop);
  return { isInEffect, refused: applied?.refused };
}
