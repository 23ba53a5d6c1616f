/** What `certbus init` asks for: the flags that answer it, and the command line that has the same answers. */

/** Flags of `init` by name, without dashes: what was given, and what was answered. */
export type Answers = Readonly<Record<string, unknown>>;

/** A word as a shell takes it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The command line with the same answers. */
export function commandLineOf(answers: Answers): string {
  const words = Object.entries(answers).flatMap(([flag, value]) => {
    if (value === undefined || value === false) return [];
    if (value === true) return [`--${flag}`];
    return [value].flat().flatMap((each) => [`--${flag}`, shellWord(String(each))]);
  });
  return ['certbus init --yes', ...words].join(' ');
}
