import type { Json } from '../../core/brand.ts';
import { list, nodeOf, text } from './tree.ts';

/** True when a WHERE cannot leave any row out: `true`, `1 = 1`, `id = id`, one of them after OR. Null is no condition at all. */
export function alwaysTrue(condition: Json | undefined): boolean {
  const node = nodeOf(condition);
  if (node === null) return true;
  const [type, body] = node;
  if (type === 'A_Const') return /"boolval":\{"boolval":true\}/.test(JSON.stringify(body));
  if (type === 'BoolExpr') {
    const args = list(body, 'args');
    if (text(body, 'boolop') === 'OR_EXPR') return args.some(alwaysTrue);
    if (text(body, 'boolop') === 'AND_EXPR') return args.every(alwaysTrue);
    return args.length === 1 && alwaysFalse(args[0]);
  }
  if (type === 'A_Expr' && text(body, 'kind') === 'AEXPR_OP') {
    const operator = text(nodeOf(list(body, 'name')[0])?.[1], 'sval');
    const [left, right] = [plain(body['lexpr']), plain(body['rexpr'])];
    const constants = /"A_Const"/.test(left) && /"A_Const"/.test(right);
    if (operator === '=' || operator === '>=' || operator === '<=') return left === right;
    return (operator === '<>' || operator === '<' || operator === '>') && constants && left !== right;
  }
  return false;
}

function alwaysFalse(condition: Json | undefined): boolean {
  const node = nodeOf(condition);
  return node !== null && node[0] === 'A_Const' && /"boolval":\{\}/.test(JSON.stringify(node[1]));
}

function plain(value: Json | undefined): string {
  return JSON.stringify(value ?? null, (key, held: unknown) => (key === 'location' ? undefined : held));
}
