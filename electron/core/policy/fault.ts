/** What can be wrong with a policy, as closed codes; a set with any of them is refused whole. */
export type PolicyFaultCode =
  | 'yaml'
  | 'limit'
  | 'multiple_documents'
  | 'alias'
  | 'duplicate_key'
  | 'unknown_key'
  | 'missing_key'
  | 'wrong_type'
  | 'bad_value'
  | 'duplicate_rule'
  | 'duplicate_pack'
  | 'expression'
  | 'pattern'
  | 'posture'
  | 'unreadable';

/** Where in a file, 1-based, for people and editors. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One thing wrong with a policy. `field` leads from the rule to the value; `at` is an offset inside that value's text. */
export interface PolicyFault {
  readonly code: PolicyFaultCode;
  readonly message: string;
  readonly rule: string | null;
  readonly field: readonly (string | number)[];
  readonly at: number | null;
  readonly place: Place | null;
  /** What was probably meant. */
  readonly suggestion: string | null;
}

/** Makes a fault that has no place in a file yet. */
export function policyFault(
  code: PolicyFaultCode,
  message: string,
  where: {
    readonly rule?: string | null;
    readonly field?: readonly (string | number)[];
    readonly at?: number | null;
    readonly suggestion?: string | null;
  } = {},
): PolicyFault {
  return {
    code,
    message,
    rule: where.rule ?? null,
    field: where.field ?? [],
    at: where.at ?? null,
    place: null,
    suggestion: where.suggestion ?? null,
  };
}
