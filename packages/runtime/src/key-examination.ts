/** Tries out what a key file can do on its bus: sign, and open what is sealed to it. */
import {
  createOpener,
  type IssuedCertificate,
  isSignatureOf,
  type Opener,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  type Signer,
  type Trust,
} from '@certbus/events';
import { isPublic, readKeyFile } from './key-files.ts';
import type { DatedPicture } from './with-picture.ts';

/** A key file, and what came of trying it. */
export interface ExaminedKey {
  readonly path: string;
  /** `unknown` for a file that cannot be read, or has no key. */
  readonly kind: 'root' | 'manager' | 'identity' | 'unknown';
  /** What it can do, each tried just now. */
  readonly can: readonly string[];
  /** What it should be able to do and cannot; `undefined` where all is well. */
  readonly problem: string | undefined;
}

type Tried = Pick<ExaminedKey, 'can' | 'problem'>;

const nothing = (problem: string): Tried => ({ can: [], problem });

/** Whether a signer's signatures are those of its public key; a damaged key file signs as nobody. */
function signs({ publicKey, sign }: Signer): boolean {
  const probe = crypto.getRandomValues(new Uint8Array(32));
  return isSignatureOf(publicKey, probe, sign(probe));
}

function tryRoot(signer: Signer, { rootKey }: Trust): Tried {
  if (signer.publicKey !== rootKey || !signs(signer)) return nothing('bus.pub names another root key');
  return { can: ['signs as the root of this bus: who manages it, and who can open private keys'], problem: undefined };
}

/** Whether a sealed text opens. */
const opens = (opener: Opener, sealed: string): Promise<boolean> =>
  opener.open(sealed).then(
    () => true,
    () => false,
  );

/** The accounts whose keys open, in words. */
async function tryAccounts(opener: Opener, { state }: DatedPicture): Promise<string[]> {
  const { accounts } = state.bus;
  const opened = await Promise.all(accounts.map(({ sealedKey }) => opens(opener, sealedKey)));
  const at = accounts.filter((_, index) => opened[index]).map(({ directory }) => directory);
  return at.length > 0 ? [`opens the ACME account key of ${at.join(', ')}`] : [];
}

async function tryManager(text: string, picture: DatedPicture): Promise<Tried> {
  const { signer, identity } = parseManagerKey(text);
  const manager = picture.managers.find(({ signingKey }) => signingKey === signer.publicKey);
  const opener = createOpener(identity);
  const { config } = picture.state.bus;
  const opensConfig = config !== undefined && (await opens(opener, config.sealed));
  const can = [
    ...(manager && signs(signer) ? [`signs commits as the manager "${manager.name}"`] : []),
    ...(opensConfig ? [`opens the configuration of position ${config.position}`] : []),
    ...(await tryAccounts(opener, picture)),
  ];
  if (!manager) return { can, problem: 'the bus has no manager with this key: it was removed, or is of another bus' };
  const problem =
    config && !opensConfig ? 'the configuration is not sealed to it: run "certbus conf update"' : undefined;
  return { can, problem };
}

/** The certificate that was issued last, with its names. */
function newestOf({ state }: DatedPicture): { readonly name: string; readonly issued: IssuedCertificate } | undefined {
  let newest: { readonly name: string; readonly issued: IssuedCertificate } | undefined;
  for (const { names, current } of state.all())
    if (current && (!newest || current.notBefore > newest.issued.notBefore))
      newest = { name: names.join(', '), issued: current };
  return newest;
}

async function tryIdentity(text: string, picture: DatedPicture): Promise<Tried> {
  const { identity, recipient } = await parseIdentityFile(text);
  const opener = createOpener(identity);
  const named = picture.state.bus.recipients.find((each) => each.recipient === recipient);
  const newest = newestOf(picture);
  const isOpened = newest
    ? await opener.openKeyOf(newest.issued).then(
        () => true,
        () => false,
      )
    : undefined;
  const can = [
    ...(named ? [`new private keys are sealed to it, as "${named.name}"`] : []),
    ...(isOpened ? [`opens the private key of ${newest?.name}`] : []),
    ...(await tryAccounts(opener, picture)),
  ];
  if (!named) return { can, problem: 'new private keys are not sealed to it: the bus has no such recipient' };
  const problem =
    isOpened === false ? `the private key of ${newest?.name} does not open: it is not sealed to it` : undefined;
  return { can, problem };
}

/** What a file without a key is for. */
const describePublic = (text: string): string =>
  text.trimStart().startsWith('#')
    ? 'it has public keys only, which others may read: name the file with the private ones'
    : 'it is a trust file, which has no key and which others may read';

/** What a file is, by the lines in it, and what it can do. */
async function tryKey(text: string, picture: DatedPicture, trust: Trust): Promise<Omit<ExaminedKey, 'path'>> {
  if (isPublic(text)) return { kind: 'unknown', ...nothing(describePublic(text)) };
  if (/^CERTBUS-ROOT/m.test(text)) return { kind: 'root', ...tryRoot(parseRootKey(text), trust) };
  if (/^CERTBUS-/m.test(text)) return { kind: 'manager', ...(await tryManager(text, picture)) };
  return { kind: 'identity', ...(await tryIdentity(text, picture)) };
}

/** Tries out a key file on what the bus says. Whatever is wrong is in the result; secrets never are. */
export async function examineKeyFile(path: string, picture: DatedPicture, trust: Trust): Promise<ExaminedKey> {
  try {
    return { path, ...(await tryKey(readKeyFile(path, 'The key'), picture, trust)) };
  } catch (error) {
    return { path, kind: 'unknown', ...nothing(error instanceof Error ? error.message : String(error)) };
  }
}
