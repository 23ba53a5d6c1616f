/** The function that imports certificates of a bus into AWS Certificate Manager. */
import { type MaterialOptions, type MaterialSource, openMaterial } from '@certbus/client/material';
import { type Environment, readEnvironment } from '@certbus/runtime';
import { readKey, type WriteLine } from '@certbus/runtime/local';
import { parseAddress } from '@certbus/store';
import { LambdaError } from '../errors.ts';
import {
  checkVariables,
  deadlineOf,
  endAfter,
  functionVariables,
  type HandlerOptions,
  type InvocationContext,
  notRead,
  writeToOutput,
} from '../invocation.ts';
import { describeError, type Metric, metricLine, type Problem, shownProblems } from '../summary.ts';
import { type AcmResult, runAcm } from './run.ts';
import { parseChoice, parseRegions } from './selection.ts';
import { openAcm } from './store.ts';

/** The answer of the function. */
export interface AcmSummary extends Pick<AcmResult, 'chosen' | 'imported'> {
  readonly failed: number;
  /** How far the bus was read. */
  readonly position: number;
  readonly durationMs: number;
}

/** Runs for one event, whatever is in it. */
export type AcmHandler = (event: unknown, context?: InvocationContext) => Promise<AcmSummary>;

/** A run in which a certificate was not imported, `CERTBUS_LAMBDA_IMPORT_FAILED`. Lambda counts it, so that the alarm on errors goes off. */
export class ImportFailedError extends LambdaError {
  override readonly name = 'CertBusImportFailed';

  constructor({ chosen, imported, failed, position }: AcmSummary, problems: readonly Problem[]) {
    const counts = `chosen ${chosen}, imported ${imported}, failed ${failed}, position ${position}`;
    const what = `Not every certificate that is chosen was imported (${counts}). ${shownProblems(problems)}`;
    super('CERTBUS_LAMBDA_IMPORT_FAILED', what);
  }
}

const METRICS = [
  ['Imported', 'imported', 'Count'],
  ['ImportsFailed', 'failed', 'Count'],
] as const satisfies readonly Metric<AcmSummary>[];

/** The bus, as the tag of what is imported names it. */
function busOf({ config }: Environment): string {
  const place = parseAddress(config.bus);
  return place.kind === 'dynamodb' ? `${place.table}/${place.stream}` : place.stream;
}

const notDone = (): LambdaError =>
  new LambdaError(
    'CERTBUS_LAMBDA_IMPORT_UNFINISHED',
    'Not all was imported in the time of one invocation. The next one goes on.',
  );

/** Opens the source. Rejects with the signal's reason, also where it is still being read then; it is closed once it is open. */
async function openInTime(options: MaterialOptions, signal: AbortSignal): Promise<MaterialSource> {
  signal.throwIfAborted();
  const opening = openMaterial(options);
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    return await Promise.race([opening, late]);
  } catch (error) {
    void opening.then(
      (source) => source.close(),
      () => {},
    );
    throw error;
  }
}

/** Resolves once the source is at the head of the bus. Rejects with the signal's reason. */
async function atHead(source: Pick<MaterialSource, 'health' | 'on'>, signal: AbortSignal): Promise<void> {
  if (source.health().live) return;
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    source.on('live', resolve);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** One region after the other, once the bus is read. One whose ACM cannot be read is a problem, and holds up no other. */
async function run(
  environment: Environment,
  { signal, onRead }: { readonly signal: AbortSignal; readonly onRead: () => void },
): Promise<AcmResult & { readonly position: number }> {
  const { config, variables, stateDirectory } = environment;
  const wanted = parseChoice(variables['CERTBUS_ACM_CERTIFICATES']);
  const regions = parseRegions(variables['CERTBUS_ACM_REGIONS'] || variables['AWS_REGION']);
  const identity = await readKey(environment, 'identity', { signal });
  const { bus, trust, archive } = config;
  const source = await openInTime({ bus, trust, identity, archive, stateDirectory }, signal);
  try {
    await atHead(source, signal);
    onRead();
    const results: AcmResult[] = [];
    const away: Problem[] = [];
    for (const region of regions) {
      const store = openAcm({ region, bus: busOf(environment) });
      try {
        results.push(await runAcm({ source, store, wanted, signal }));
      } catch (error) {
        signal.throwIfAborted();
        // The others have their certificates all the same.
        away.push({ names: [`ACM in ${region}`], error: describeError(error) });
      } finally {
        store.close();
      }
    }
    return {
      chosen: results.reduce((sum, { chosen }) => sum + chosen, 0),
      imported: results.reduce((sum, { imported }) => sum + imported, 0),
      problems: [...away, ...results.flatMap(({ problems }) => problems)],
      doubles: results.flatMap(({ doubles }) => doubles),
      // The same for each region.
      unmatched: results[0]?.unmatched ?? [],
      position: source.health().position,
    };
  } finally {
    await source.close();
  }
}

/**
 * Makes the function. It reads the bus with an identity of its own, `CERTBUS_IDENTITY`, and imports `CERTBUS_ACM_CERTIFICATES` into the regions of
 * `CERTBUS_ACM_REGIONS` (default its own). It answers what it did, or rejects with an {@link ImportFailedError}, which has the same counts, or with
 * what kept it from its end.
 */
export function createAcmHandler({
  variables = process.env,
  write = writeToOutput,
  now = () => new Date(),
}: HandlerOptions = {}): AcmHandler {
  const writeLine: WriteLine = (message, level) => write(JSON.stringify({ level: level.toUpperCase(), message }));
  return async (_event, context = {}) => {
    const begun = now();
    const { functionName = variables['AWS_LAMBDA_FUNCTION_NAME'] ?? 'certbus-acm' } = context;
    try {
      // Each time: an identity or a choice that was replaced is read again.
      checkVariables(variables, writeLine);
      const environment = readEnvironment({ variables: functionVariables(variables), writeLine });
      const leftMs = deadlineOf(context, begun).getTime() - begun.getTime();
      let undone = () => notRead(leftMs);
      using time = endAfter(leftMs, () => undone());
      const onRead = () => {
        undone = notDone;
      };
      const { problems, doubles, unmatched, ...counts } = await run(environment, { signal: time.signal, onRead });
      for (const { names, arns } of doubles) {
        const what = `${names.join(', ')} is in ACM more than once: ${arns.join(', ')}. Each is kept up to date; delete those that nothing uses.`;
        writeLine(what, 'warn');
      }
      if (unmatched.length > 0) {
        const what = `CERTBUS_ACM_CERTIFICATES has ${unmatched.join(', ')}, and no certificate of the bus has such an id or name: nothing is imported for it. Correct it, or take out what was removed.`;
        writeLine(what, 'warn');
      }
      const at = now();
      const summary = { ...counts, failed: problems.length, durationMs: at.getTime() - begun.getTime() };
      write(metricLine(summary, METRICS, { problems, functionName, at }));
      if (problems.length > 0) throw new ImportFailedError(summary, problems);
      return summary;
    } catch (error) {
      if (!(error instanceof ImportFailedError)) writeLine(describeError(error), 'error');
      throw error;
    }
  };
}
