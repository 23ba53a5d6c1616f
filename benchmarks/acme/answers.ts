import { Agent, request } from 'node:http';

/** Publishes answers to challenges at the challenge test server, in the same way for every contender. */
export interface Answers {
  addHttp(token: string, keyAuthorization: string): Promise<void>;
  removeHttp(token: string): Promise<void>;
  addTxt(host: string, value: string): Promise<void>;
  /** The server can only forget all values of a host at once: that waits until the last one is removed. */
  removeTxt(host: string): Promise<void>;
}

/** Creates the publisher. */
export function createAnswers(url: string): Answers {
  const agent = new Agent({ keepAlive: true });
  const counts = new Map<string, number>();

  function post(path: string, body: object): Promise<void> {
    return new Promise((resolve, reject) => {
      const call = request(`${url}/${path}`, { method: 'POST', agent }, (response) => {
        response.resume().on('error', reject);
        response.on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`${path} was refused`))));
      });
      // A connection that was idle can be closed just when it is used again.
      call.on('error', (error) => (call.reusedSocket ? resolve(post(path, body)) : reject(error)));
      call.end(JSON.stringify(body));
    });
  }

  return {
    addHttp: (token, content) => post('add-http01', { token, content }),
    removeHttp: (token) => post('del-http01', { token }),
    async addTxt(host, value) {
      counts.set(host, (counts.get(host) ?? 0) + 1);
      await post('set-txt', { host: `${host}.`, value });
    },
    async removeTxt(host) {
      const left = (counts.get(host) ?? 1) - 1;
      counts.set(host, left);
      if (left > 0) return;
      counts.delete(host);
      await post('clear-txt', { host: `${host}.` });
    },
  };
}
