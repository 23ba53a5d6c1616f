/** Entry: the CloudFormation template. */
export { TEMPLATE, type Template } from './template.ts';
