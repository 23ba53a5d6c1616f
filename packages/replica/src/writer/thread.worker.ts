/** The thread that writes a replica, so that taking many commits never delays a handshake. */
import './reported-once.ts';
import { parentPort, workerData } from 'node:worker_threads';
import { type Call, createAnswers, type Writing } from './calls.ts';
import { READY } from './ready.ts';

const answer = createAnswers(workerData as Writing);
parentPort?.on('message', ({ id, call }: { id: number; call: Call }) => {
  parentPort?.postMessage({ id, ...answer(call) });
  if (call.kind === 'close') parentPort?.close();
});
parentPort?.postMessage(READY);
