import type { IssuedCertificate, ManagedCertificate } from '@certbus/events';
import { expect, test } from 'vitest';
import { ClientError } from '../errors.ts';
import type { Material } from './material-source.ts';
import { createOpenings } from './openings.ts';

const issuedOf = (leafHash: string, sealedKey = 'sealed') => ({ leafHash, sealedKey }) as IssuedCertificate;
const refusal = () => new ClientError('CERTBUS_CLIENT_KEY_NOT_OPENED', 'the key does not open');
const candidateOf = (issued: IssuedCertificate, certificateId = 'one') => ({
  certificateId,
  issued,
  isPredecessor: false,
});

/** Openings of the certificate `one`, whose keys never open; `opened` counts how often one was tried. */
function openingsOf(current: IssuedCertificate, { isLasting = true } = {}) {
  const state = { current, predecessors: [], removed: false } as unknown as ManagedCertificate;
  const world = { opened: 0, alarms: 0, mayOpen: false, certificate: state as ManagedCertificate | undefined };
  const openings = createOpenings({
    async open() {
      world.opened += 1;
      await new Promise((resolve) => setImmediate(resolve));
      throw refusal();
    },
    certificate: () => world.certificate,
    isLasting: () => isLasting,
  });
  async function shakeHands(candidate = candidateOf(world.certificate?.current ?? current)): Promise<void> {
    try {
      await openings.open(candidate);
    } catch (error) {
      if (openings.refuse(candidate, error as ClientError)) world.alarms += 1;
    }
  }
  function renew(issued: IssuedCertificate): void {
    world.certificate = { ...state, current: issued };
    world.mayOpen = openings.keep('one', world.certificate);
  }
  return { world, openings, shakeHands, renew };
}

test('a key that does not open is opened once for a thousand handshakes, with one alarm', async () => {
  const { world, openings, shakeHands } = openingsOf(issuedOf('a'));
  for (let handshake = 0; handshake < 1_000; handshake += 1) await shakeHands();
  expect(world).toMatchObject({ opened: 1, alarms: 1 });
  expect(openings.refused()).toEqual({ count: 1, certificateIds: ['one'] });
});

test('handshakes at the same moment share one opening', async () => {
  const { world, shakeHands } = openingsOf(issuedOf('a'));
  await Promise.all(Array.from({ length: 100 }, () => shakeHands()));
  expect(world).toMatchObject({ opened: 1, alarms: 1 });
});

test('a renewed certificate, or one whose key was sealed again, is opened again, and one that only has news is not', async () => {
  const { world, openings, shakeHands, renew } = openingsOf(issuedOf('a'));
  await shakeHands();
  renew(issuedOf('a'));
  await shakeHands();
  expect(world).toMatchObject({ opened: 1, alarms: 1, mayOpen: false });
  renew(issuedOf('a', 'sealed again'));
  expect(world.mayOpen).toBe(true);
  await shakeHands();
  expect(world).toMatchObject({ opened: 2, alarms: 2 });
  renew(issuedOf('b', 'sealed again'));
  expect(openings.refused()).toEqual({ count: 0, certificateIds: [] });
  await shakeHands();
  await shakeHands();
  expect(world).toMatchObject({ opened: 3, alarms: 3 });
});

test('a removed certificate leaves nothing behind, and another begins after everything is forgotten', async () => {
  const { world, openings, shakeHands } = openingsOf(issuedOf('a'));
  await shakeHands();
  openings.keep('one', undefined);
  expect(openings.refused()).toEqual({ count: 0, certificateIds: [] });
  await shakeHands();
  openings.clear();
  await shakeHands();
  expect(world).toMatchObject({ opened: 3, alarms: 3 });
});

test('what a busy disk refused is tried again, with one alarm', async () => {
  const { world, openings, shakeHands } = openingsOf(issuedOf('a'), { isLasting: false });
  for (let handshake = 0; handshake < 5; handshake += 1) await shakeHands();
  expect(world).toMatchObject({ opened: 5, alarms: 1 });
  expect(openings.refused()).toEqual({ count: 1, certificateIds: ['one'] });
});

test('what a busy disk refused counts until it opens, and that a predecessor opens says nothing of it', async () => {
  const material = { certificateId: 'one' } as Material;
  const openings = createOpenings({
    open: async () => material,
    certificate: () => undefined,
    isLasting: () => false,
  });
  const candidate = candidateOf(issuedOf('b'));
  openings.refuse(candidate, refusal());
  await openings.open({ ...candidateOf(issuedOf('a')), isPredecessor: true });
  expect(openings.refused()).toEqual({ count: 1, certificateIds: ['one'] });
  await openings.open(candidate);
  expect(openings.refused()).toEqual({ count: 0, certificateIds: [] });
});

test('a key that opens is passed on, and another certificate is not touched by a refusal', async () => {
  const material = { certificateId: 'two' } as Material;
  const openings = createOpenings({
    open: async () => material,
    certificate: () => undefined,
    isLasting: () => true,
  });
  openings.refuse(candidateOf(issuedOf('a')), refusal());
  expect(await openings.open(candidateOf(issuedOf('a'), 'two'))).toBe(material);
});

test('a certificate that cannot be read raises an alarm once, and throws nothing into a handshake', () => {
  let fails = false;
  const openings = createOpenings({
    open: () => Promise.reject(refusal()),
    certificate() {
      if (fails) throw new Error('EIO: i/o error, read');
      return undefined;
    },
    isLasting: () => true,
  });
  const isDue = (certificateId: string) => openings.isDue(certificateId, 'CERTBUS_CLIENT_KEY_TYPE_UNUSED');
  expect([isDue('one'), isDue('one')]).toEqual([true, false]);
  fails = true;
  expect([isDue('one'), isDue('two'), isDue('two')]).toEqual([false, true, false]);
  expect(openings.refuse(candidateOf(issuedOf('a'), 'three'), refusal())).toBe(true);
  expect(openings.refused()).toEqual({ count: 1, certificateIds: ['three'] });
});
