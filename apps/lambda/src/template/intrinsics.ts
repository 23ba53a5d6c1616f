/** Makes texts with `${…}` in them the intrinsic functions of CloudFormation. */

/** What a template is made of. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };

/** Parameters that are lists; an element of a list that ends in one of them stands for all of its members. */
const LISTS = ['HostedZones', 'DelegatedNames', 'ReaderAccounts'] as const;

const LIST = new RegExp(`^([^$]*)\\$\\{(${LISTS.join('|')})\\}$`);

/** The value of no property: CloudFormation leaves it out. */
const NO_VALUE: Value = { Ref: 'AWS::NoValue' };

/** A value where a condition holds, and another, by default none, where it does not. */
export const when = (condition: string, value: Value, otherwise: Value = NO_VALUE): Value => ({
  'Fn::If': [condition, value, otherwise],
});

function ofText(text: string): Value {
  const [, name, attribute] = /^\$\{([\w:]+)(?:\.([\w.]+))?\}$/.exec(text) ?? [];
  if (name && attribute) return { 'Fn::GetAtt': [name, attribute] };
  if (name) return { Ref: name };
  return text.includes('${') ? { 'Fn::Sub': text } : text;
}

/** The members of a list parameter, each behind the same text, with commas between. */
function members(prefix: string, name: string): Value {
  const joined: Value = { 'Fn::Join': [`,${prefix}`, { Ref: name }] };
  return prefix === '' ? joined : { 'Fn::Join': ['', [prefix, joined]] };
}

/** A list of which some elements stand for the members of a parameter: there is no function that joins lists. */
function ofList(values: readonly Value[]): Value {
  const lists = values.map((value) => (typeof value === 'string' ? LIST.exec(value) : null));
  if (lists.every((match) => match === null)) return values.map(intrinsic);
  const [only] = lists;
  if (lists.length === 1 && only?.[1] === '') return { Ref: only[2] ?? '' };
  const parts = values.map((value, at) => {
    const [, prefix = '', name] = lists[at] ?? [];
    return name === undefined ? intrinsic(value) : members(prefix, name);
  });
  return { 'Fn::Split': [',', { 'Fn::Join': [',', parts] }] };
}

/** A value with its texts as intrinsic functions. */
export function intrinsic(value: Value): Value {
  if (typeof value === 'string') return ofText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return ofList(value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, intrinsic(inner)]));
}

const isList = (value: object): value is readonly Value[] => Array.isArray(value);
