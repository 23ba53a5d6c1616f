/** Decides which keys that do not open are an alarm: where none opens at all, it is one, and not one a certificate. */
import { ClientError } from '../errors.ts';

export interface KeyAlarmsOptions {
  /** Whether this server's recipient is among those of the bus, and how many certificates that has; `undefined` where it cannot be read. */
  readonly describeBus: () => { readonly isRecipient: boolean; readonly served: number } | undefined;
  readonly raise: (error: ClientError) => void;
}

/** Alarms about keys. */
export interface KeyAlarms {
  /** A key opened on this server. */
  opened(): void;
  /** A key did not; `error` says which and why. */
  refused(error: ClientError): void;
}

function noKeyOpens(error: ClientError, { describeBus }: KeyAlarmsOptions): ClientError {
  const bus = describeBus();
  if (!bus || bus.isRecipient) return error;
  const { served } = bus;
  const what = `No private key of this bus opens here: this server's identity is not among the recipients of the bus, which has ${served} certificates. Is it the right key file? The first that was asked for: ${error.message}`;
  return new ClientError('CERTBUS_CLIENT_NO_KEY_OPENS', what, { cause: error });
}

function otherKeys(count: number, last: ClientError): ClientError {
  const what = `The private keys of ${count} more certificates cannot be used on this server; health() has their ids. The last one: ${last.message}`;
  return new ClientError('CERTBUS_CLIENT_KEY_NOT_OPENED', what, { cause: last });
}

/** Nothing was opened or refused yet. */
export function createKeyAlarms(options: KeyAlarmsOptions): KeyAlarms {
  const { raise } = options;
  let hasOpened = false;
  let isRaised = false;
  let held: { readonly count: number; readonly last: ClientError } | undefined;
  return {
    opened() {
      if (hasOpened) return;
      hasOpened = true;
      // They were held back as part of what seemed to be wrong with every key.
      if (held) raise(otherKeys(held.count, held.last));
    },
    refused(error) {
      if (hasOpened) return raise(error);
      if (isRaised) {
        held = { count: (held?.count ?? 0) + 1, last: error };
        return;
      }
      isRaised = true;
      raise(noKeyOpens(error, options));
    },
  };
}
