/** Puts values in the place of CloudFormation's functions, as CloudFormation does, for tests. */
import type { Value } from './intrinsics.ts';

/** What a template's functions are evaluated with. */
export interface Given {
  /** Parameters, pseudo parameters, and names of resources. */
  readonly values: Readonly<Record<string, string | readonly string[]>>;
  /** Attributes, `RESOURCE.ATTRIBUTE`. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly conditions: Readonly<Record<string, boolean>>;
}

const NOTHING = Symbol('AWS::NoValue');
type Evaluated = unknown;

function find(name: string, { values, attributes }: Given): string | readonly string[] {
  const found = values[name] ?? attributes[name];
  if (found === undefined) throw new Error(`${name} has no value`);
  return found;
}

function evaluateFunction(name: string, argument: Value, given: Given): Evaluated {
  const list = () => argument as readonly Value[];
  switch (name) {
    case 'Ref':
      return argument === 'AWS::NoValue' ? NOTHING : find(String(argument), given);
    case 'Fn::GetAtt':
      return find(list().join('.'), given);
    case 'Fn::Sub':
      return String(argument).replaceAll(/\$\{([^}]+)\}/g, (_, each: string) => String(find(each, given)));
    case 'Fn::Join':
      return (evaluate(list()[1] ?? [], given) as string[]).join(String(list()[0]));
    case 'Fn::Split':
      return String(evaluate(list()[1] ?? '', given)).split(String(list()[0]));
    case 'Fn::If': {
      const [condition, then = null, otherwise = null] = list();
      return evaluate(given.conditions[String(condition)] ? then : otherwise, given);
    }
    default:
      throw new Error(`${name} is not known here`);
  }
}

/** A value of a template, evaluated. Throws for what has no value. */
export function evaluate(value: Value, given: Given): Evaluated {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => evaluate(each, given)).filter((each) => each !== NOTHING);
  const entries = Object.entries(value);
  const [[name, argument] = ['', null]] = entries;
  if (entries.length === 1 && (name === 'Ref' || name.startsWith('Fn::')))
    return evaluateFunction(name, argument, given);
  const evaluated = entries.map(([key, inner]) => [key, evaluate(inner, given)] as const);
  return Object.fromEntries(evaluated.filter(([, inner]) => inner !== NOTHING));
}
