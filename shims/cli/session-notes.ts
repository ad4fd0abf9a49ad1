import type { GuardPlan } from './guard-launch.ts';
import { type HandedSecrets, unknownSecretsNotice } from './handed-secrets.ts';

/** Names of files in a workspace whose content is classified: that they were read is told. */
export const CLASSIFIED_NAMES: readonly string[] = [
  '.env',
  '.env.*',
  '*.env',
  '*.pem',
  '*.key',
  '*.p12',
  '*.pfx',
  '*.jks',
  '*.keystore',
  '*.kdbx',
  'id_rsa*',
  'id_ed25519*',
  'id_ecdsa*',
  'credentials*',
  'secrets.*',
  '.npmrc',
  '.pypirc',
  '.netrc',
  '*.tfvars',
  '*.tfstate',
  'kubeconfig*',
  'service-account*.json',
];

/** What is worth knowing of a session before it begins: a weaker guard, what became of secrets in the environment. */
export function sessionNotes(plan: Pick<GuardPlan, 'notice'>, handed: HandedSecrets): readonly string[] {
  const replaced = handed.secrets.length;
  const exposed = unknownSecretsNotice(handed.unknown);
  return [
    ...(plan.notice === null ? [] : [plan.notice]),
    ...(replaced === 0
      ? []
      : [
          `${replaced} secret${replaced === 1 ? '' : 's'} of your environment ${replaced === 1 ? 'is a placeholder' : 'are placeholders'} in it; the real value is put in where it belongs, after it left`,
        ]),
    ...(exposed === null ? [] : [exposed]),
  ].map((note) => note.slice(0, 1000));
}

/**
 * What a person is told when a session begins: one line, and where the rest stands. `verbose`: the rest as well. What stops or weakens the
 * whole installation (`warnings`) counts as a note.
 */
export function openingLines(opened: {
  readonly session: string;
  readonly assurance: string;
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
  readonly verbose: boolean;
}): readonly string[] {
  const all = [...opened.warnings, ...opened.notes];
  const told = opened.verbose ? all : [];
  const held = HELD[opened.assurance] ?? opened.assurance;
  const more =
    all.length === 0 || opened.verbose
      ? `countersign receipts list --session ${opened.session}`
      : `${all.length} note${all.length === 1 ? '' : 's'}: countersign status`;
  return [...told, `session ${opened.session}, assurance ${opened.assurance}; ${held}; ${more}`];
}

const HELD: Readonly<Record<string, string>> = {
  enforced: 'files, programs and network are held by the kernel',
  sandboxed: 'files and connections are held by the kernel',
  cooperative: 'nothing is held by the kernel, so a program that means to can get round it',
};
