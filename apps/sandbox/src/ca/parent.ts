/** What a process of the sandbox owes the one that started it. */
/** Reports that this process is ready, and answers what its parent asks. Ends with the parent, and not at Ctrl-C, which is for the parent. */
export function serveParent(ready: object, answer: (question: unknown) => unknown = () => null): void {
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit());
  process.on('message', (question) => process.send?.(answer(question)));
  process.send?.(ready);
}
