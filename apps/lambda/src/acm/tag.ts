/** The tag that names the bus of an imported certificate, by which the policy of the function knows its own certificates. */
export const BUS_TAG = 'certbus:bus';
