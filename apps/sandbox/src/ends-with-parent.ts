/** Loaded before a program that this process forks: it ends with this process, however that ends. */
process.on('disconnect', () => process.exit());
// It keeps no program that is done.
process.channel?.unref();
