/** What the commands share that change who manages a bus, and whom its private keys are sealed to. */
import type { Signer } from '@certbus/events';
import type {
  AppendedChange,
  CompletedExpulsion,
  KeyChange,
  RootReply,
  RootRequest,
  RootState,
} from '@certbus/manager';
import type { KeyHolder } from '@certbus/runtime';
import { type Environment, trustOf } from '@certbus/runtime/local';
import type { Bus } from '@certbus/store';
import { Flags } from '@oclif/core';
import { SigningCommand, YES_FLAG } from '../base-command.ts';
import { many } from '../counts.ts';
import { CliError } from '../errors.ts';

/** The flags of commands that change keys. */
export const KEY_CHANGE_FLAGS = {
  request: Flags.string({
    helpValue: 'FILE',
    description: 'write a request for the machine that holds the root key ("certbus root sign"), and change nothing',
  }),
  yes: YES_FLAG,
};

interface KeyChangeFlags {
  readonly config?: string | undefined;
  readonly 'accept-stale'?: boolean | undefined;
  readonly request?: string | undefined;
  readonly yes: boolean;
}

/** What came of a change of keys. */
export interface KeyChangeResult {
  /** Whether this call changed the bus. */
  readonly changed: boolean;
  /** The file of the request; `undefined` where the change was made. */
  readonly request: string | undefined;
  /** All that the root signs, in words; nothing where it is in force already. */
  readonly signs: readonly string[];
  /** Position of the commit that has the change. */
  readonly position: number | undefined;
  /** The lines of `bus.pub` behind it. */
  readonly trust: string | undefined;
  /** What those who left could read. */
  readonly exposure: AppendedChange['exposure'] | undefined;
  /** Certificates of which recipients that were removed can open a private key. */
  readonly openable: AppendedChange['openable'] | undefined;
  /** Certificates that recipients who were added cannot open yet. */
  readonly unopenable: AppendedChange['unopenable'] | undefined;
  /** What an expulsion did besides, and what is left to do by hand. */
  readonly expulsion: CompletedExpulsion | undefined;
}

const NOTHING: KeyChangeResult = {
  changed: false,
  request: undefined,
  signs: [],
  position: undefined,
  trust: undefined,
  exposure: undefined,
  openable: undefined,
  unopenable: undefined,
  expulsion: undefined,
};

/** Makes a change of what is in force. */
export type MakeChange = (state: RootState, bus: Bus) => Promise<KeyChange>;

/** A command that changes keys: in one step where the root key is here, else by a request. */
export abstract class KeyChangeCommand extends SigningCommand {
  /** Makes a change, or writes the request for it. */
  protected async changeKeys(flags: KeyChangeFlags, make: MakeChange): Promise<KeyChangeResult> {
    const environment = this.environment(flags);
    if (flags.request !== undefined) return this.#request(environment, make, flags.request);
    const { findRootKey, withKeyHolder } = await import('@certbus/runtime');
    const root = await findRootKey(environment, { signal: this.signal });
    if (!root) {
      const what =
        'This change needs the root key, and none was found on this machine. Set CERTBUS_ROOT_KEY_FILE to its file. Where it is on another machine, add --request FILE, sign that file there ("certbus root sign FILE"), and bring back what that writes ("certbus root append FILE").';
      throw new CliError('CERTBUS_CLI_ROOT_KEY_MISSING', what);
    }
    return withKeyHolder(environment, { root, signal: this.signal }, (holder) =>
      this.#changeHere(environment, { holder, root, make, yes: flags.yes }),
    );
  }

  async #request(environment: Environment, make: MakeChange, file: string): Promise<KeyChangeResult> {
    const { withRootState } = await import('@certbus/runtime');
    const { writeExchanged } = await import('@certbus/runtime/local');
    const { formatRequest, requestChange } = await import('@certbus/manager');
    const trust = trustOf(environment.config);
    const request = await withRootState(
      environment,
      async (state, bus) => requestChange(state, trust.busId, await make(state, bus)),
      { signal: this.signal },
    );
    if (!request) return this.#nothingToDo();
    const { lines } = await this.#examine(request, environment, trust.rootKey);
    for (const line of lines) this.show(line);
    writeExchanged(file, formatRequest(request), 'The request');
    this.progress(
      `${file} is written and nothing is changed: take it to the machine with the root key, run "certbus root sign" on it, and bring back what that writes`,
    );
    return { ...NOTHING, request: file, signs: lines };
  }

  #nothingToDo(): KeyChangeResult {
    this.progress('this is in force already; nothing was changed');
    return NOTHING;
  }

  async #examine(request: RootRequest, { config }: Environment, rootKey: string) {
    const { examineRequest } = await import('@certbus/manager');
    return examineRequest(request, { trust: trustOf(config), rootKey });
  }

  async #changeHere(
    environment: Environment,
    {
      holder,
      root,
      make,
      yes,
    }: { readonly holder: KeyHolder; readonly root: Signer; readonly make: MakeChange; readonly yes: boolean },
  ): Promise<KeyChangeResult> {
    const { requestChange, signRequest } = await import('@certbus/manager');
    const state = await holder.rootState();
    const change = await make(state, holder.bus);
    if (change.kind === 'expel-manager' && change.suspect.key === holder.signingKey) {
      const what = `The manager key of this machine is the one to be expelled. Name another manager first ("certbus manager add"), give this machine its key ("managerKey" in certbus.json), and run this again.`;
      throw new CliError('CERTBUS_CLI_USAGE', what);
    }
    const request = await requestChange(state, holder.bus.trust.busId, change);
    if (!request && change.kind === 'expel-manager') return this.#finishExpulsion(holder);
    if (!request) return this.#nothingToDo();
    const { lines, rootSequence } = await this.#examine(request, environment, root.publicKey);
    this.showSigned(lines);
    await this.agree('Sign this with the root key, and write it to the bus?', { yes });
    return this.appendReply(environment, { holder, reply: signRequest(request, { root, rootSequence }), signs: lines });
  }

  /** Shows what is signed, where no result has it. */
  protected showSigned(lines: readonly string[]): void {
    for (const line of lines) this.show(line);
  }

  /** Appends what the root signed, writes the floor, does what an expulsion needs besides, and reports all of it. */
  protected async appendReply(
    environment: Environment,
    {
      holder,
      reply,
      signs,
    }: { readonly holder: KeyHolder; readonly reply: RootReply; readonly signs: readonly string[] },
  ): Promise<KeyChangeResult> {
    const { writeFloor } = await import('@certbus/runtime');
    const appended = await holder.append(reply);
    const { position, exposure, openable, unopenable } = appended;
    this.show(`the change is on the bus${appended.appended ? '' : ' already,'} at position ${position}`);
    const written = writeFloor(environment.config, appended.floor);
    this.reportFloor(written);
    for (const what of appended.left)
      this.warn(`${what}: still sealed to those before, since no key of this machine opens it, or it is too large`);
    const expulsion = appended.expels ? await this.#completeExpulsion(holder) : undefined;
    if (!expulsion) this.#reportExposure(exposure);
    this.#reportCertificates(appended);
    return {
      changed: appended.appended,
      request: undefined,
      signs,
      position,
      trust: written.trust,
      exposure,
      openable,
      unopenable,
      expulsion,
    };
  }

  /** Goes on with an expulsion that is on the bus, and whose process ended before the rest was done. */
  async #finishExpulsion(holder: KeyHolder): Promise<KeyChangeResult> {
    this.progress('the expulsion is on the bus already');
    return { ...NOTHING, expulsion: await this.#completeExpulsion(holder) };
  }

  async #completeExpulsion({ manager }: KeyHolder): Promise<CompletedExpulsion | undefined> {
    if (!manager) {
      this.warn(
        'the expulsion is not finished: account keys and configuration are as they were. Run this again on a machine whose manager key is in force',
      );
      return undefined;
    }
    const done = await manager.completeExpulsion({ signal: this.signal });
    for (const { accountUrl } of done.accounts) this.show(`${accountUrl} has a key that no expelled manager has had`);
    for (const { accountUrl } of done.lostAccounts)
      this.warn(`${accountUrl} was given up, and its CA does not know it: have the CA close it`);
    this.#reportSecrets(done.secrets);
    this.#reportSuspects(done.certificates);
    return done;
  }

  /** Names each leaf by its serial number: without it the newest one of its certificate would be revoked, which is a good one where it was replaced. */
  #reportSuspects(certificates: CompletedExpulsion['certificates']): void {
    if (certificates.length > 0)
      this.progress(
        `an expelled manager has the private key of ${many(certificates.length, 'certificate')}: run each of these commands, which replaces what is served still, and revokes exactly the certificate with that serial number`,
      );
    for (const { certificateId, names, serialNumber, notAfter, directory, position } of certificates) {
      this.progress(`${names.join(', ')}, obtained at position ${position}, valid until ${notAfter}:`);
      if (directory === undefined)
        this.progress(`serial number ${serialNumber}: it came from elsewhere, revoke it there`);
      else this.log(`certbus cert revoke ${certificateId} --serial ${serialNumber} --reason keyCompromise`);
    }
  }

  #reportSecrets(secrets: AppendedChange['exposure']['secrets']): void {
    for (const { path, variable } of secrets)
      this.show(`change this secret where it comes from: ${path}${variable ? ` (${variable})` : ''}`);
    if (secrets.length > 0) this.progress('then "certbus conf update", with the new ones');
  }

  #reportCertificates({ removedRecipients, openable, unopenable }: AppendedChange): void {
    const byName = openable.certificates.toSorted((one, other) => (String(one.names) < String(other.names) ? -1 : 1));
    for (const { certificateId, names } of byName)
      this.show(`its key may open the private key of ${certificateId} (${names.join(', ')})`);
    // Also where it is none: what is being issued can have been sealed before the change.
    for (const { name, sealedTo } of removedRecipients)
      this.progress(
        `${many(openable.count, 'certificate')} on the bus may have a private key that "${name}" can open; imported ones count, since the bus does not record whom theirs was sealed to. If its key was stolen, run "certbus campaign start --sealed-to ${sealedTo}", then "certbus cert revoke --sealed-to ${sealedTo} --reason keyCompromise" until nothing is left. Replace imported certificates that are not renewed here where they came from.`,
      );
    const { count, certificates } = unopenable;
    if (count > 0)
      this.progress(
        `the new recipient cannot open the keys of ${many(count, 'certificate')} yet: it can after each one's next renewal, or at once after "certbus recipient reseal FILE --identity KEY" and "certbus recipient reseal FILE --append"; --json lists ${count > certificates.length ? `the first ${certificates.length.toLocaleString('en')}` : 'them'}`,
      );
  }

  #reportExposure({ secrets, accounts }: AppendedChange['exposure']): void {
    if (accounts.length > 0)
      this.progress(
        `the removed key could open the keys of ${many(accounts.length, 'ACME account')}: run "certbus account rollover" to replace these keys`,
      );
    this.#reportSecrets(secrets);
  }
}
