import type { UntrustedSignal } from './untrusted.ts';

/** One sign found; `at` is known where it stands in the text looked at. */
export interface Sign {
  readonly kind: UntrustedSignal['kind'];
  readonly detector: string;
}

/**
 * A detector: where one of `anchors` stands, `near` is asked of the text from there on (`REACH` characters, white space folded, lower
 * case). `weak`: said alone by honest manuals too; counts only beside another weak one of a different name.
 */
interface Rule {
  readonly kind: UntrustedSignal['kind'];
  readonly detector: string;
  readonly near: RegExp;
  readonly weak: boolean;
}

const REACH = 220;
/** Two weak signs belong together within this many characters. */
const TOGETHER = 500;

const MODEL =
  '(?:ai|a\\.i\\.|llms?|(?:large )?language models?|(?:ai |virtual |digital |coding |helpful )?assistants?|(?:ai |coding |autonomous )agents?|chat ?bots?|chat ?gpt|gpt-?\\d?\\w*|claude|gemini|copilot|llama|mistral|bard)';
const EARLIER =
  "(?:previous|prior|above|earlier|preceding|former|past|initial|original|existing|foregoing|old|current|system|user'?s?|other|given|safety|developer|before)";
const ORDERS =
  '(?:instructions?|prompts?|directives?|orders?|guidelines?|commands?|directions?|guardrails|guidance|messages?|requests?|tasks?|conversation|constraints|restrictions|policies|programming)';
const SECRET =
  '(?:passwords?|passphrases?|credentials?|api[ _-]?keys?|secrets?|access tokens?|auth(?:entication)? tokens?|tokens?|private keys?|ssh keys?|\\.env\\b|environment variables?|chat history|conversation|system prompt|cookies|verification codes?|security codes?|2fa|personal (?:data|information|details)|credit cards?|payment methods?|bank (?:account|details)|contacts|medical records?|genetic data|browsing history|location history|saved (?:addresses|places)|phone numbers?|customer data)';
const SEND =
  '(?:send|post|upload|forward|e-?mail|transmit|exfiltrate|leak|submit|share|deliver|report|relay|disclose|reveal|export|copy)';
const DEED =
  '(?:send|transfer|forward|e-?mail|upload|post|delete|remove|erase|wipe|grant|revoke|unlock|disable|deactivate|install|download|run|execute|invoke|buy|purchase|order|pay|book|schedule|share|publish|create|add|change|update|modify|allocate|initiate|provide|give|submit|record|stop|start|enable|convert|generate|use|place|write|apply|retrieve|replace|extend|clear|block|adjust|redirect|access|retrieve|fetch|collect|copy|reveal|search|find|withdraw|deposit|sell|make|set|cancel|open|read|visit|invite|reply|call|dispatch|approve|increase|edit|export|move|turn)';

const rule = (kind: UntrustedSignal['kind'], detector: string, near: string, weak = false): Rule => ({
  kind,
  detector,
  near: new RegExp(near, 'uy'),
  weak,
});

/** Rules by the word that leads to them: a table, so that a text is walked once whatever the number of rules. */
const BY_ANCHOR: Readonly<Record<string, readonly Rule[]>> = (() => {
  const table: Record<string, Rule[]> = Object.create(null);
  const under = (words: string, ...rules: readonly Rule[]) => {
    for (const word of words.split(' ')) table[word] = [...(table[word] ?? []), ...rules];
  };
  under(
    'ignore ignoring disregard forget neglect discard override overrides abandon bypass supersede supersedes',
    rule(
      'instruction',
      'override',
      `\\w+ (?:about |to follow )?(?:(?:all|any|every|everything|each|of|the|your|my|our|these|those|this|its|in|and|whatever|completely) ){0,4}(?:${EARLIER}[ ,/]+(?:(?:and|or|of|the|system|user) ){0,2}){1,3}${ORDERS}\\b`,
    ),
    rule(
      'instruction',
      'override',
      `\\w+ (?:about )?(?:all |everything |anything |what |whatever )(?:that )?(?:(?:was|is|has been|came|you were|you have been|you've been|i|we|the user) )(?:said|told|asked|instructed|written|before|above|given|trained|stated)`,
    ),
    rule(
      'instruction',
      'override',
      `\\w+ (?:all )?(?:of )?your (?:\\w+ ){0,2}(?:instructions|guidelines|prompt|programming|training|directives|safety|restrictions|orders)\\b`,
    ),
    rule(
      'instruction',
      'override',
      `\\w+ (?:all |any )?(?:the )?(?:instructions|directives|prompts|orders) (?:above|before|so far|you|given|until now|from)`,
    ),
  );
  under(
    "not don't dont stop never",
    rule(
      'instruction',
      'override',
      `\\S+ (?:follow|following|obey|obeying|listen(?:ing)? to) (?:(?:any|all|the|your|of|those) ){0,3}${EARLIER} ${ORDERS}`,
    ),
    rule(
      'instruction',
      'secrecy',
      `\\S+ (?:tell|telling|inform|mention|mentioning|reveal|notify|alert|disclose|warn|let|report|show|ask|say)\\b (?:\\S+ ){0,5}?(?:(?:the|to|your) )?(?:user|users|human|person|operator|owner|anyone|anybody)\\b`,
      true,
    ),
  );
  under(
    'without',
    rule(
      'instruction',
      'secrecy',
      `without (?:telling|informing|asking|mentioning|notifying|alerting|revealing|disclosing|warning|raising|(?:the |any )?(?:knowledge|consent|notice|confirmation|permission|suspicion))\\b(?: (?:to|of|from|the|this|that|it|me|any|by|for|anything|further|user|human|owner|anyone|suspicion)){0,5}`,
      true,
    ),
  );
  under(
    'secretly covertly discreetly unnoticed undetected stealthily surreptitiously',
    rule('instruction', 'secrecy', `\\w+`, true),
  );
  under(
    'new updated revised real actual additional hidden',
    rule(
      'instruction',
      'new-orders',
      `\\w+ (?:system |top |high |priority |user |and ){0,3}(?:instructions?|directives?|orders?|prompt|objective|mission)\\s?(?:[:=!]| (?:for|follow|supersede|are|is)\\b)`,
      true,
    ),
    rule(
      'instruction',
      'new-orders',
      `your (?:new|real|actual|true) (?:task|goal|objective|mission|instructions?|role|purpose|identity) (?:is|are)\\b`,
    ),
  );
  under(
    'your',
    rule(
      'instruction',
      'new-orders',
      `your (?:new|real|actual|true|only|next) (?:task|goal|objective|mission|instructions?|role|purpose|identity) (?:is|are|now)\\b`,
    ),
  );
  under(
    'task request question instructions instruction assignment job',
    rule(
      'instruction',
      'task-switch',
      `\\w+ (?:that )?(?:i|we|the user|user|your (?:user|principal|operator)) (?:gave|have given|asked|assigned|requested|has given|told|originally)\\b(?: (?:you|to|of|in|for|before|first|at|the|beginning|originally|solve|earlier))*`,
    ),
  );
  under(
    'strictly must should shall required need needs',
    rule(
      'instruction',
      'demand',
      `(?:must|should|shall|need to|needs to|strictly|required to) (?:(?:now|strictly|always|immediately|first|only|also|instead|absolutely) ){0,2}(?:adhere to|follow|obey|comply with|carry out|do|act on|act upon|execute|perform) (?:exactly )?(?:the|these|this|my|only|all)\\b (?:(?:of|the|these|following|new|next|below|instruction|important) ){0,3}(?:instructions?|steps?|orders?|commands?|directives?|following|actions?|task)\\b`,
      true,
    ),
    rule(
      'instruction',
      'demand',
      `(?:must|shall|need to|needs to) (?:now |first |immediately |also |then ){1,2}${DEED}\\b`,
      true,
    ),
  );
  under(
    'ai a.i. llm llms language assistant assistants agent agents chatbot chatbots bot chatgpt gpt claude gemini copilot llama model models',
    rule(
      'instruction',
      'addressed-to-model',
      `${MODEL}[,:!] (?:(?:and|any|all|if|when|please|before|after|now|you|i|this|it|the|to|in|important|note|attention|remember) |${DEED}\\b)`,
      true,
    ),
    rule(
      'instruction',
      'addressed-to-model',
      `${MODEL} (?:(?:reading|processing|summari[sz]ing|parsing|viewing|analy[sz]ing|browsing|evaluating|scanning|that reads?|who reads?|helping|working on|assisting|visiting|handling)\\b)`,
      true,
    ),
    rule(
      'instruction',
      'addressed-to-model',
      `${MODEL} (?:(?:that |who )?(?:is |are )?(?:reading |processing )?(?:this )?)(?:must|shall|has to|have to|is to|are to|is instructed|are instructed|is required|are required)\\b`,
      true,
    ),
  );
  under(
    'you',
    rule(
      'instruction',
      'addressed-to-model',
      `you,? (?:(?:are|as) )?(?:now )?(?:an? |the |my |our )?(?:\\w+ )?${MODEL}\\b`,
      true,
    ),
    rule(
      'instruction',
      'persona',
      `you are (?:now|no longer|from now on) (?:(?:in|an?|the|going to|bound|called|operating|acting|free) ){1,3}`,
      true,
    ),
    rule(
      'instruction',
      'persona',
      `you (?:are|have entered|will enter|must enter) (?:now )?(?:in |into )?(?:developer|god|debug|admin(?:istrator)?|root|unrestricted|jailbreak|dan|maintenance|sudo) mode`,
    ),
    rule(
      'instruction',
      'task-switch',
      `you (?:can|may|should|will) (?:then |now )?(?:continue|solve|return to|resume|go back to|proceed with|complete|finish|answer) (?:(?:with|the|my|your|user'?s?|original|previous|initial|first|other|to) ){1,4}(?:task|request|question|job|instructions?|work)\\b`,
      true,
    ),
  );
  under(
    'before after instead prior once',
    rule(
      'instruction',
      'task-switch',
      `\\w+ (?:of )?(?:to )?(?:you )?(?:can |may |continue |proceed |continuing |proceeding )*(?:solve|solving|answer(?:ing)?|respond(?:ing)?|complet(?:e|ing)|finish(?:ing)?|do(?:ing)?|with|help(?:ing)?|summari[sz](?:e|ing)|return(?:ing)?|reply(?:ing)?)\\b[^.;]{0,60}?,? (?:you must|you need|you have to|please|first|make sure|be sure|it is)\\b`,
      true,
    ),
  );
  under(
    'please kindly need want ask could can',
    rule(
      'instruction',
      'errand',
      `(?:please|kindly|i need you to|i want you to|need you to|want you to|ask you to|could you|can you)(?: please| also| first| now| then| immediately| kindly| to)* ${DEED}\\b[^.;!?]{0,100}?\\b(?:my|me|user'?s|their|his|her|our)\\b`,
      true,
    ),
    rule(
      'instruction',
      'errand',
      `(?:please|kindly) (?:do|perform|execute|complete|carry out) (?:the following|these|this|all)\\b`,
      true,
    ),
  );
  under(
    'send post upload forward email e-mail transmit exfiltrate leak submit share deliver relay disclose reveal export copy',
    rule(
      'instruction',
      'send-secrets',
      `${SEND} (?:\\S+ ){0,10}?${SECRET}(?:[^.;\\n]| \\.|\\.(?=\\w)){0,80}?(?:\\bto\\b|\\bvia\\b|\\bat\\b)[^.;]{0,40}?(?:https?://|[\\w.+-]+@[\\w-]+\\.\\w|webhook|(?:this|following) (?:url|address|e-?mail|endpoint|server|number))`,
      true,
    ),
    rule(
      'exfiltration-lure',
      'send-secrets',
      `${SEND} (?:me |us |all |out |over ){0,2}(?:of )?(?:the |your |their |my |any )?(?:user'?s?|users'|victim'?s?|owner'?s?|person'?s?|human'?s?) (?:\\w+ ){0,3}${SECRET}`,
      true,
    ),
    rule(
      'exfiltration-lure',
      'send-secrets',
      `${SEND} (?:\\S+ ){0,12}?(?:to|via)(?: the| an?| my| this)?(?: e-?mail| attacker'?s?| external)?(?: address| account| server)?:? '?"?[a-z][\\w.+-]*@[\\w-]+\\.\\w`,
      true,
    ),
  );
  under(
    'important urgent critical attention emergency mandatory immediate immediately warning alert notice priority',
    rule(
      'instruction',
      'urgency',
      `(?:important|urgent|critical|attention|emergency|mandatory|warning|alert|notice|priority)\\S{0,3}(?: (?:system |security |admin(?:istrator)? |message|notice|instruction|notification|update|alert|note|task|action required|info(?:rmation)?|reminder)+)[^.]{0,40}(?:from|to|for|:|!)`,
      true,
    ),
    rule('instruction', 'urgency', `(?:immediate(?:ly)?|urgent(?:ly)?) ${DEED}\\b`, true),
    rule(
      'instruction',
      'urgency',
      `(?:urgent|important|critical|attention|emergency)(?:!+|:) (?:\\w+ ){0,4}(?:you|ai|assistant|agent|model|all)\\b`,
      true,
    ),
  );
  under(
    'get fetch retrieve find search access list gather collect read obtain extract look query check use once open pull',
    rule(
      'instruction',
      'gather-and-send',
      `\\w+ (?:[^.;]|\\.(?=\\w)){3,140}?(?:\\band|\\bthen|,|\\.) (?:then |also |finally |please )*${SEND} (?:\\S+ ){1,8}?(?:to|at|via)(?: me at)?(?: \\S+){0,4}? (?:\\(|<|')?(?:https?://\\S|[\\w.+-]+@[\\w-]+\\.\\w)`,
    ),
  );
  // German, French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish, Russian: forget what you were told.
  under(
    'ignoriere ignorieren vergiss vergessen missachte',
    rule(
      'instruction',
      'override',
      `\\p{L}+ (?:sie )?(?:(?:alle|alles|sämtliche|die|deine|ihre|jegliche|bisherigen?|vorherigen?|vorigen?|obigen?|früheren?|vorangegangenen?|und|was) ){1,4}(?:anweisung|instruktion|prompt|befehl|vorgabe|regel|richtlinie|nachricht|aufgabe|aufforderung|bisher|zuvor|vorher)`,
    ),
  );
  under(
    'ignorez oublie oubliez ignorer oublier',
    rule(
      'instruction',
      'override',
      `\\p{L}+ (?:(?:toutes?|tous|les|vos|tes|ces|des|tout|ce|qui|consignes?|instructions?|directives?|ordres?) ){0,4}(?:(?:instructions?|consignes?|directives?|ordres?|messages?) (?:précédente?s?|antérieure?s?|ci-dessus|initiale?s?|reçue?s?|d'avant|données?)|ce qui précède|précédente?s? (?:instructions?|consignes?))`,
    ),
  );
  under(
    'ignore',
    rule(
      'instruction',
      'override',
      `ignore (?:(?:toutes|les|tes|vos|todas|as|suas|tus|las) ){1,3}(?:instructions?|consignes?|instruções|directives?) (?:précédente?s?|antérieure?s?|ci-dessus|anteriores|acima)`,
    ),
  );
  under(
    'ignora ignorar ignoren olvida olvide olvidar ignori dimentica dimenticare esqueça esquece ignorad',
    rule(
      'instruction',
      'override',
      `\\p{L}+ (?:(?:todas?|todos?|las|los|tus|sus|le|tutte|tutti|gli|i|tue|as|suas|os|precedenti|anteriores|previas?|tudo|todo|lo|o|que) ){1,4}(?:instruc|orden|indica|directric|istruzion|ordini|direttive|instruç|ordens|mensa|messaggi|anterior|previo|precedent)`,
    ),
  );
  under(
    'negeer vergeet zignoruj zignorować zapomnij ignoruj игнорируй игнорируйте проигнорируй забудь забудьте игнорировать ігноруй',
    rule(
      'instruction',
      'override',
      `\\p{L}+ (?:[\\p{L}-]+ ){0,3}?(?:instructie|opdracht|aanwijzing|instrukcj|polece|wytyczn|инструкц|указани|команд|сообщени|інструкц)`,
    ),
  );
  under(
    'önceki tüm',
    rule(
      'instruction',
      'override',
      `\\p{L}+ (?:\\p{L}+ ){0,3}?(?:talimat|komut|yönerge)\\p{L}* (?:\\p{L}+ ){0,2}?(?:yok say|unut|göz ardı|görmezden)`,
    ),
  );
  under(
    'benutzer nutzer utilisateur usuario utente usuário gebruiker пользователю пользователя',
    rule(
      'instruction',
      'secrecy',
      `\\p{L}+ (?:\\p{L}+ ){0,3}?(?:nichts|nicht|rien|nada|nulla|niets|ничего|не)\\b`,
      true,
    ),
  );
  return table;
})();

/** Markup that stands between a model and those who speak to it: in content it only pretends. Anywhere, no word before it. */
const MARKUP: readonly (readonly [detector: string, weak: boolean, pattern: RegExp, has: RegExp | null])[] = [
  [
    'role-marker',
    false,
    /<\|(?:im_start|im_end|system|user|assistant|start_header_id|end_header_id|eot_id|endofprompt|begin_of_text)\|>|<\/?start_of_turn>|<<\/?sys>>|\[\/?inst\]/gu,
    /<[|/s<]|\[\/?inst/,
  ],
  [
    'tool-markup',
    false,
    /<\/?(?:antml:)?(?:tool_results?|tool_calls?|tool_response|tool_outputs?|function_results?|function_calls?|function_response|tool_use|invoke name=|system[-_]reminder|system[-_]prompt|system_message|user_message|user_prompt|assistant_response)\b/gu,
    /<\/?[aftsiu]/,
  ],
  [
    'role-line',
    true,
    /(?:^|\n|\\n)[ \t>*#[-]{0,6}(?:system|assistant|human|user|developer|admin)(?: (?:prompt|message|instructions?|note|notice|override|update|alert))?\]?\**:/gu,
    null,
  ],
  [
    'role-tag',
    true,
    /<\/?(?:system|assistant|human|developer|instructions?|important|urgent|admin|override|secret|user_request)>/gu,
    /<\/?[sahdiu]/,
  ],
  [
    'role-header',
    true,
    /#{2,3} ?(?:system|instructions?|new instructions?|system prompt|response)\s*:/gu,
    /## ?[sinr]/,
  ],
  [
    'fake-end',
    true,
    /\bend of (?:the )?(?:tool|function|document|web ?page|search|user|system|context|untrusted|external)[ -](?:results?|outputs?|content|data|input|message|prompt|query)/gu,
    /end of /,
  ],
  ['role-field', true, /"role"\s*:\s*"(?:system|developer)"/gu, /"role"/],
];

/** A field of structured data that begins as an order: data describes, it does not ask. */
const FIELD = new RegExp(
  `[:,[]\\s?["'](?:please|kindly|could you|can you|i need you to|i want you to) (?:also |now |first |help me )?${DEED}\\b[^"\\n]{0,200}?\\b(?:my|me|i)\\b`,
  'gu',
);

/** Languages that have no spaces: words are looked for wherever they stand. */
const UNSPACED =
  /(?:忽略|无视|無視|忘记|忘記|不要理会)[^。！\n]{0,12}(?:指示|指令|提示|命令|说明|說明|内容|訊息|消息)|(?:以前|これまで|上記|前|すべて|全て)の?[^。\n]{0,10}(?:指示|命令|プロンプト)[^。\n]{0,8}(?:無視|忘れ)|(?:이전|위의|모든|앞의)[^.\n]{0,12}(?:지시|명령|프롬프트|지침)[^.\n]{0,8}(?:무시|잊)|تجاهل[^.\n]{0,20}(?:التعليمات|الأوامر|السابقة)|(?:पिछले|पूर्व|सभी)[^।\n]{0,16}(?:निर्देश|आदेश)[^।\n]{0,10}(?:अनदेखा|भूल|नज़रअंदाज़)/gu;

/** Addresses that ask to be filled with what the reader knows: an image that is fetched sends it off without a click. */
const LURE =
  /(?:!\[[^\]\n]{0,80}\]\(|<(?:img|iframe|script|link|video|audio)\b[^>]{0,120}?(?:src|href)\s*=\s*["']?)https?:\/\/[^\s)"'>]{0,200}?[?&=/#](?:[\w.-]{0,24}=)?(?:\{{1,2}|\$\{|<|\[|%7b|\$\(|__)\s?(?:[\w ]{0,24}[_ -])?(?:data|secrets?|tokens?|passwords?|keys?|env|conversation|chat|history|context|contents?|prompt|messages?|base64|encoded|summary|answer|info|credentials?|cookies?|text|output|results?|exfil\w*)/gu;

const ANCHOR = new RegExp(
  `(?<![\\p{L}\\p{N}_-])(?:${Object.keys(BY_ANCHOR)
    .sort((a, b) => b.length - a.length)
    .map((word) => word.replaceAll('.', '\\.'))
    .join('|')})(?![\\p{L}\\p{N}_])`,
  'gu',
);

/** Signs of orders to a model in text that has been made plain (`plainText`): lower case, nothing invisible. */
export function instructionSigns(plain: string): readonly Sign[] {
  const signs: Sign[] = [];
  const weak: { readonly at: number; readonly sign: Sign }[] = [];
  ANCHOR.lastIndex = 0;
  for (let found = ANCHOR.exec(plain); found !== null; found = ANCHOR.exec(plain)) {
    const at = found.index;
    const rules = BY_ANCHOR[found[0]] ?? [];
    const near = folded(plain, at, at + REACH);
    for (const one of rules) {
      one.near.lastIndex = 0;
      const sign = { kind: one.kind, detector: one.detector };
      if (!one.near.test(near)) continue;
      if (one.weak) weak.push({ at, sign });
      else signs.push(sign);
    }
  }
  for (const [detector, isWeak, pattern, has] of MARKUP) {
    if (has !== null && !has.test(plain)) continue;
    for (const found of plain.matchAll(pattern)) {
      const sign: Sign = { kind: 'impersonation', detector };
      if (isWeak) weak.push({ at: found.index, sign });
      else signs.push(sign);
    }
  }
  for (const _ of plain.matchAll(FIELD)) signs.push({ kind: 'instruction', detector: 'field-order' });
  for (const _ of plain.matchAll(UNSPACED)) signs.push({ kind: 'instruction', detector: 'override' });
  if (plain.includes('http'))
    for (const _ of plain.matchAll(LURE))
      signs.push({ kind: 'exfiltration-lure', detector: 'filled-address' });
  return [...signs, ...together(weak)];
}

/** What is folded to a space; a higher character is asked by `FOLDED_OTHER`. */
const FOLDED: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) =>
  /[\s\\*_`">#]/.test(String.fromCharCode(code)) ? 1 : 0,
);
const FOLDED_OTHER = /[\s“”]/;

function isFolded(code: number): boolean {
  return code < 128 ? FOLDED[code] === 1 : FOLDED_OTHER.test(String.fromCharCode(code));
}

/** Text from `at`, its white space, quotes of structured text and marks of emphasis folded to single spaces. It runs for each anchor: by hand it takes a third. */
function folded(plain: string, at: number, end: number): string {
  const stop = Math.min(end, plain.length);
  let out = '';
  let from = at;
  let i = at;
  while (i < stop) {
    if (!isFolded(plain.charCodeAt(i))) {
      i += 1;
      continue;
    }
    const start = i;
    while (i < stop && isFolded(plain.charCodeAt(i))) {
      const next = i + 1 < stop ? plain[i + 1] : undefined;
      // A line end or tab written out.
      const written = plain[i] === '\\' && (next === 'n' || next === 'r' || next === 't');
      i += written ? 2 : 1;
    }
    // One space is what it becomes.
    if (i === start + 1 && plain[start] === ' ') continue;
    out += `${plain.slice(from, start)} `;
    from = i;
  }
  return out === '' ? plain.slice(from, stop) : out + plain.slice(from, stop);
}

/** Weak signs that stand near another of a different name. */
function together(weak: readonly { readonly at: number; readonly sign: Sign }[]): readonly Sign[] {
  const ordered = [...weak].sort((a, b) => a.at - b.at);
  const kept: Sign[] = [];
  const lastOf = new Map<string, number>();
  const ends = new Map<string, number>();
  // Forward: what came before of another name; backward: what comes after.
  const paired = ordered.map(({ at, sign }) => {
    let near = false;
    for (const [name, where] of lastOf) near ||= name !== sign.detector && at - where <= TOGETHER;
    lastOf.set(sign.detector, at);
    return near;
  });
  for (let index = ordered.length - 1; index >= 0; index -= 1) {
    const one = ordered[index];
    if (one === undefined) continue;
    let near = paired[index] === true;
    for (const [name, where] of ends) near ||= name !== one.sign.detector && where - one.at <= TOGETHER;
    ends.set(one.sign.detector, one.at);
    if (near) kept.push(one.sign);
  }
  return kept.reverse();
}
