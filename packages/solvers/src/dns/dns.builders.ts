import { createSocket } from 'node:dgram';
import { decode, encode, type Question } from 'dns-packet';

/** Answers of a name server: strings by question. */
export type DnsAnswers = (question: Question) => readonly string[];

/** Starts a DNS server on loopback that answers A, NS, CNAME and TXT. */
export async function startDns(
  answers: DnsAnswers,
): Promise<AsyncDisposable & { readonly address: string; readonly port: number }> {
  const socket = createSocket('udp4');
  socket.on('message', (message, peer) => {
    const { id, questions = [] } = decode(message);
    const found = questions.flatMap((question) =>
      answers(question).map((text) => {
        const base = { name: question.name, ttl: 0 };
        if (question.type === 'TXT')
          return { ...base, type: 'TXT' as const, data: [text.slice(0, 10), text.slice(10)] };
        return { ...base, type: question.type as 'A', data: text };
      }),
    );
    socket.send(
      encode({ type: 'response', id: id ?? 0, questions, answers: found, flags: 0x0400 }),
      peer.port,
      peer.address,
    );
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  return {
    address: `127.0.0.1:${port}`,
    port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}
