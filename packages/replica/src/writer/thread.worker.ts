/** The thread that writes a replica, and reads and verifies its bus, so that taking many commits never delays a handshake. */
import './reported-once.ts';
import { parentPort, workerData } from 'node:worker_threads';
import { createAnswers } from './calls.ts';
import { type Message, type Order, READY } from './messages.ts';
import type { Writing } from './roomy-writer.ts';
import { createThreadFollower } from './thread-follower.ts';

const port = parentPort;
if (!port) throw new TypeError('this file is run as a thread');
const send = (message: Message) => port.postMessage(message);
const answers = createAnswers(workerData as Writing, (news) => send({ news }));
const follower = createThreadFollower({ replica: answers.replica, send });

/** Answers a call; one to follow, or to close what follows, when that has ended. */
async function run({ id, call }: Extract<Order, { readonly id: number }>): Promise<void> {
  if (call.kind === 'follow') return send({ id, ...(await follower.follow(call)) });
  if (call.kind === 'close') await follower.stop();
  send({ id, ...answers.answer(call) });
  if (call.kind === 'close') port?.close();
}

port.on('message', (order: Order) => {
  if ('id' in order) void run(order);
  else if (order.order === 'stop') void follower.stop();
  else follower.goOn();
});
send(READY);
