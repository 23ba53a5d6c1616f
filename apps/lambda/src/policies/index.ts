/** Entry: IAM policies for the roles of a bus. */
export type { Conditions, PolicyDocument, Statement } from './document.ts';
export { type PolicyPlace, secretArn } from './place.ts';
export { createPolicies, type Policies } from './policies.ts';
