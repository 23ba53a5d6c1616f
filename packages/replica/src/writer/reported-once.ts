/** Keeps the writing thread from reporting that SQLite is experimental: the thread that started it has. To be imported before SQLite is. */
const { emitWarning } = process;
process.emitWarning = ((...[warning, ...rest]: Parameters<typeof emitWarning>) => {
  if (!String(warning).startsWith('SQLite is an experimental feature')) emitWarning.call(process, warning, ...rest);
}) as typeof emitWarning;
