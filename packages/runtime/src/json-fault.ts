/** Describes a text that is not JSON without quoting it. */
/** What is wrong with a text that is not JSON, without the part of the text that the engine quotes: it may be a secret. */
export function jsonFaultOf(error: unknown): string {
  if (!(error instanceof SyntaxError)) return 'it cannot be read';
  return error.message.replace(/, (?:\.\.\.)?".*"(?:\.\.\.)? is not valid JSON$/s, '');
}
