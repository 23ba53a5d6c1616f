/** Entry: the conformance suite of solvers. */
export type { SolverAbility, SolverConformanceOptions, SolverUnderTest } from './options.ts';
export { solverConformance } from './suite.ts';
