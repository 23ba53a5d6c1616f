/** Prints the demo's story and counts what was checked. */
import { styleText } from 'node:util';

/** Tells the story, and keeps count of what was checked. */
export interface Narrator {
  /** Begins a chapter. */
  step(title: string): void;
  say(line: string): void;
  /** Shows whether something holds; where it does not, the demo fails at its end. */
  check(text: string, result: { readonly holds: boolean }): void;
  readonly failed: number;
  readonly checked: number;
}

// styleText looks at NO_COLOR and at whether a terminal is there.
const style = (format: Parameters<typeof styleText>[0], text: string) =>
  styleText(format, text, { stream: process.stdout });

/** Makes a narrator on standard output. */
export function createNarrator(): Narrator {
  const began = performance.now();
  let steps = 0;
  let checked = 0;
  let failed = 0;
  return {
    step(title) {
      steps += 1;
      const seconds = ((performance.now() - began) / 1_000).toFixed(1);
      console.log(`\n${style('bold', `${steps}. ${title}`)} ${style('dim', `(${seconds} s)`)}`);
    },
    say: (line) => console.log(`   ${line}`),
    check(text, { holds }) {
      checked += 1;
      if (!holds) failed += 1;
      console.log(`   ${holds ? style('green', 'ok') : style('red', 'NOT SO')}  ${text}`);
    },
    get failed() {
      return failed;
    },
    get checked() {
      return checked;
    },
  };
}
