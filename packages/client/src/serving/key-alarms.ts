/** Decides which keys that do not open are an alarm: where none is sealed for this server, it is one, and not one a certificate. */
import { ClientError } from '../errors.ts';

export interface KeyAlarmsOptions {
  /** Whether this server's recipient is among those of the bus, and how many certificates that has; `undefined` where it cannot be read. */
  readonly describeBus: () => { readonly isRecipient: boolean; readonly served: number } | undefined;
  readonly raise: (error: ClientError) => void;
}

/** Alarms about keys. */
export interface KeyAlarms {
  /** A key opened on this server, or had been opened before. */
  opened(): void;
  /** A key did not; `error` says which and why. */
  refused(error: ClientError): void;
}

function noKeyOpens(error: ClientError, { served, hasOpened }: { served: number; hasOpened: boolean }): ClientError {
  const which = hasOpened
    ? 'No private key that is new on this bus opens here'
    : 'No private key of this bus opens here';
  const hint = hasOpened
    ? 'What was opened before is served on. Was this server removed?'
    : 'Is it the right key file?';
  const what = `${which}: this server's identity is not among the recipients of the bus, which has ${served === 1 ? '1 certificate' : `${served} certificates`}. ${hint} The first that was asked for: ${error.message}`;
  return new ClientError('CERTBUS_CLIENT_NO_KEY_OPENS', what, { cause: error });
}

function otherKeys(count: number, last: ClientError): ClientError {
  const which =
    count === 1 ? 'The private key of 1 more certificate' : `The private keys of ${count} more certificates`;
  const ids = count === 1 ? 'its id' : 'their ids';
  const what = `${which} cannot be used on this server; health() has ${ids}. The last one: ${last.message}`;
  return new ClientError('CERTBUS_CLIENT_KEY_NOT_OPENED', what, { cause: last });
}

/** Nothing was opened or refused yet. */
export function createKeyAlarms({ describeBus, raise }: KeyAlarmsOptions): KeyAlarms {
  let hasOpened = false;
  let isRaised = false;
  /** Whether it was reported that this server is not a recipient. */
  let isOutside = false;
  let held: { readonly count: number; readonly last: ClientError } | undefined;
  return {
    opened() {
      // Which may be one that was kept: it says nothing of the recipients.
      if (isOutside && describeBus()?.isRecipient) isOutside = false;
      if (hasOpened) return;
      hasOpened = true;
      // They were held back as part of what seemed to be wrong with every key.
      if (held) raise(otherKeys(held.count, held.last));
    },
    refused(error) {
      const bus = describeBus();
      if (bus && !bus.isRecipient) {
        if (!isOutside) raise(noKeyOpens(error, { served: bus.served, hasOpened }));
        isOutside = true;
        return;
      }
      if (bus) isOutside = false;
      if (hasOpened) return raise(error);
      if (isRaised) held = { count: (held?.count ?? 0) + 1, last: error };
      else raise(error);
      isRaised = true;
    },
  };
}
