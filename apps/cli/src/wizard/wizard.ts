/** Leads through `certbus init`: asks for what no flag says, and shows everything before anything is made. */
import { CliError } from '../errors.ts';
import { type Answers, commandLineOf } from './answers.ts';
import { STEPS, type Step } from './steps.ts';
import { askUntilValid, type Terminal } from './terminal.ts';

/** What a summary can be answered with: go on, leave, or another answer to a step. */
type Decision = 'go' | 'leave' | Step;

function parseDecision(answer: string): Decision {
  if (/^y(es)?$/i.test(answer)) return 'go';
  if (/^no?$/i.test(answer)) return 'leave';
  const step = /^\d+$/.test(answer) ? STEPS[Number(answer) - 1] : undefined;
  if (step) return step;
  throw new CliError('CERTBUS_CLI_USAGE', `Type y, n, or a number from 1 to ${STEPS.length} to change that answer.`);
}

function showSummary(answers: Answers, folder: string, { print }: Terminal): void {
  const width = Math.max(...STEPS.map(({ title }) => title.length));
  print('\nThis is what will be made:\n');
  print(`      ${'folder'.padEnd(width)}  ${folder}`);
  for (const [index, step] of STEPS.entries())
    print(`  ${String(index + 1).padStart(2)}  ${step.title.padEnd(width)}  ${step.show(answers)}`);
  print(`\nThe same without questions:\n  ${commandLineOf(answers)}\n`);
}

/** What was answered so far, by flags or by the person. */
interface Progress {
  answers: Answers;
  /** Titles of the steps that need not be asked: an answer can be that there is nothing. */
  readonly done: Set<string>;
}

/** Asks what has no answer yet. */
async function askRest(progress: Progress, terminal: Terminal, signal: AbortSignal): Promise<void> {
  for (const step of STEPS) {
    if (progress.done.has(step.title)) continue;
    progress.answers = { ...progress.answers, ...(await step.ask(progress.answers, terminal, signal)) };
    progress.done.add(step.title);
  }
}

/** Drops the answer to a step, and those that depend on it. */
function drop(progress: Progress, { title, dependents = [] }: Step): void {
  const dropped = STEPS.filter((step) => step.title === title || dependents.includes(step.title));
  for (const step of dropped) progress.done.delete(step.title);
  const flags = dropped.flatMap((step) => step.flags);
  progress.answers = Object.fromEntries(Object.entries(progress.answers).filter(([flag]) => !flags.includes(flag)));
}

/**
 * Completes the flags of `init` by questions, and shows all answers, each of which can be changed. Rejects `CERTBUS_CLI_DECLINED` where the
 * person leaves; nothing was made then.
 *
 * @param given what flags say, without defaults.
 */
export async function askForAnswers(
  given: Answers,
  { folder, terminal, signal }: { readonly folder: string; readonly terminal: Terminal; readonly signal: AbortSignal },
): Promise<Answers> {
  terminal.print(
    'This sets up a bus. Press Enter to accept the value in brackets. Nothing is made before you have seen it all.',
  );
  const isGiven = ({ flags }: Step) => flags.some((flag) => given[flag] !== undefined);
  const progress = { answers: given, done: new Set(STEPS.filter(isGiven).map(({ title }) => title)) };
  for (;;) {
    await askRest(progress, terminal, signal);
    showSummary(progress.answers, folder, terminal);
    const text = 'Create this? y, n, or a number to change an answer:';
    const decision = await askUntilValid(terminal, { text, otherwise: 'y', parse: parseDecision });
    if (decision === 'go') return progress.answers;
    if (decision === 'leave') throw new CliError('CERTBUS_CLI_DECLINED', 'Nothing was made.');
    drop(progress, decision);
  }
}
