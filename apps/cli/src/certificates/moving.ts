/** Issues certificates again at another CA, some at a time, and goes on where one fails. */
import type { Manager, RunOptions } from '@certbus/manager';
import { type AnswerError, describeError } from '../answer.ts';
import { forEach } from './bulk.ts';

/** What came of one certificate. */
export interface Moved {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly error: AnswerError | undefined;
}

/** What is moved, and where to. */
export interface Move extends RunOptions {
  /** Ids. */
  readonly certificates: readonly string[];
  /** Name of the CA in the configuration. */
  readonly authority: string;
  readonly directory: string;
  /** How many at a time. */
  readonly parallel: number;
  readonly onMoved: (moved: Moved) => void;
}

/** What was open elsewhere is completed there first, and moves with the next try. */
const TRIES = 2;

/**
 * Moves each certificate to a CA. Resolves with what came of each, in their order; failures are among them. Once it is aborted, it resolves
 * when every claim is released, without those that are left.
 */
export async function moveAll(
  manager: Pick<Manager, 'renew' | 'certificate'>,
  { certificates, authority, directory, parallel, onMoved, ...run }: Move,
): Promise<Moved[]> {
  const isThere = (id: string) => manager.certificate(id).current?.directory === directory;
  const outcomes = new Map<string, Moved>();

  async function move(certificateId: string): Promise<Moved> {
    const { names } = manager.certificate(certificateId);
    try {
      for (let tries = 0; tries < TRIES && !isThere(certificateId); tries += 1)
        await manager.renew(certificateId, { ...run, authority });
      return { certificateId, names, error: undefined };
    } catch (error) {
      return { certificateId, names, error: describeError(error) };
    }
  }

  await forEach(certificates, { parallel, signal: run.signal }, async (id) => {
    const moved = await move(id);
    // It was stopped, and did not fail.
    if (run.signal.aborted && moved.error) return;
    outcomes.set(id, moved);
    onMoved(moved);
  });
  return certificates.flatMap((id) => outcomes.get(id) ?? []);
}
