/** Which engine is behind which `Acme`: the handle itself shows nothing of it. */
import type { Acme } from '../acme.ts';
import type { Engine } from './engine.ts';

const engines = new WeakMap<Acme, Engine>();

/** Makes the handle of an engine. */
export function acmeOf(engine: Engine): Acme {
  const acme = { directory: engine.directory, close: () => engine.close() } as Acme;
  engines.set(acme, engine);
  return acme;
}

/** The engine behind a handle. Throws `TypeError` for what `createAcme` did not make. */
export function engineOf(acme: Acme): Engine {
  const engine = engines.get(acme);
  if (!engine) throw new TypeError('This CA was not made by createAcme');
  return engine;
}
