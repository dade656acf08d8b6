/** Bodies and queries against their schemas, by HTTP and gRPC alike: what comes out is right, or the problem names each fault. */
import type { z } from 'zod';
import { type Fault, Problem } from './problem.ts';

/** What is said where a schema has no sentence of its own. */
const sentence: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type': {
      const kind = kinds[issue.expected] ?? `a ${issue.expected}`;
      if (issue.input === undefined) return `is required: add it as ${kind}`;
      // What stands twice in a query comes as a list.
      return `must be ${kind}${Array.isArray(issue.input) && issue.expected === 'string' ? ', and given once' : ''}: correct it`;
    }
    case 'too_big':
      return `must be at most ${issue.maximum}: lower it`;
    case 'too_small':
      return `must be at least ${issue.minimum}: raise it`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}: choose one`;
    default:
      return undefined;
  }
};

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
};

/** The value as its schema makes it. Throws INVALID. */
export function judge<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value, { error: sentence, reportInput: true });
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(
    (issue): Fault => ({
      path: issue.path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
      message: issue.message,
    }),
  );
  const [first] = errors;
  throw new Problem('INVALID', `${first?.path.slice(1).replaceAll('/', '.') || 'body'}: ${first?.message}`, { errors });
}

/** For fastify. */
export function validatorCompiler({ schema }: { schema: z.ZodType }): (value: unknown) => object {
  return (value) => {
    try {
      return { value: judge(schema, value) };
    } catch (error) {
      return { error };
    }
  };
}
