/** One violation of a rule, as a person reads it: where it is, what is wrong there, and what to do about it. */
export interface Finding {
  /** The rule's name, such as `import-cycle`. */
  readonly rule: string;
  /** The file, with its line where one line is to blame; or the folder. */
  readonly where: string;
  readonly what: string;
  readonly remedy: string;
}

/** A finding as one line of text. */
export function describeFinding({ rule, where, what, remedy }: Finding): string {
  return `${where}: ${what}. ${remedy}. [${rule}]`;
}
