/** Asking the keeper of a vault, over a port to the thread that it is on. */

import type { MessagePort } from 'node:worker_threads';
import { EventsError, type EventsErrorCode, type IssuedCertificate } from '@certbus/events';
import type { VaultNote } from './file.ts';

/** What of an issued certificate its key is opened by. */
export type SealedLeaf = Pick<IssuedCertificate, 'leafHash' | 'leaf' | 'sealedKey' | 'formerSealedKey'>;

/** What a keeper is asked. */
export type VaultCall =
  | { readonly kind: 'begin' }
  | { readonly kind: 'open'; readonly certificateId: string; readonly leaf: SealedLeaf }
  | { readonly kind: 'note'; readonly notes: readonly VaultNote[] }
  | { readonly kind: 'sweep' }
  | { readonly kind: 'close' };

/** What a keeper answers `begin` with. */
export interface Beginning {
  /** The vault's own key; `undefined` where there is no file to keep anything in. */
  readonly key?: Uint8Array;
  /** Why the file cannot be used, as a sentence. */
  readonly problem?: string;
}

interface Asked {
  readonly id: number;
  readonly call: VaultCall;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: EventsErrorCode | undefined; readonly message: string };
}

/** Answers what comes over a port. It does not keep a process alive: what waits for an answer does. */
export function answerOver(port: MessagePort, answer: (call: VaultCall) => unknown): void {
  async function answerOne({ id, call }: Asked): Promise<void> {
    try {
      port.postMessage({ id, value: await answer(call) });
    } catch (error) {
      const code = error instanceof EventsError ? error.code : undefined;
      port.postMessage({ id, error: { code, message: error instanceof Error ? error.message : String(error) } });
    }
    if (call.kind === 'close') port.close();
  }
  port.on('message', (asked: Asked) => void answerOne(asked));
  port.unref();
}

/** Makes what asks over a port. It rejects with the `EventsError` of an opening, and with another error where the keeper's thread failed. */
export function askOver(port: MessagePort): (call: VaultCall) => Promise<unknown> {
  const pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let calls = 0;
  let isClosed = false;

  const take = (id: number) => {
    const waiting = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) port.unref();
    return waiting;
  };
  const ended = () => new Error('the thread that keeps the opened keys has ended');
  port.on('message', ({ id, value, error }: Answer) => {
    const waiting = take(id);
    if (error) waiting?.reject(error.code ? new EventsError(error.code, error.message) : new Error(error.message));
    else waiting?.resolve(value);
  });
  port.on('close', () => {
    isClosed = true;
    for (const id of [...pending.keys()]) take(id)?.reject(ended());
  });
  port.unref();
  return (call) =>
    new Promise((resolve, reject) => {
      if (isClosed) return reject(ended());
      calls += 1;
      pending.set(calls, { resolve, reject });
      port.ref();
      port.postMessage({ id: calls, call });
    });
}
