import type { Header } from '../core/http.ts';
import { visible } from '../wire/terminal-text.ts';
import type { ResponseHead } from './exchange.ts';
import { headerOf } from './exchange.ts';
import type { ProxyAnswer } from './protocol-handler.ts';

/** A page of the proxy's own. */
export interface Page {
  readonly head: ResponseHead;
  readonly body: Buffer;
}

/** What a page says: `message` is for people and models, and what happened, why and what to do stand in it. */
export interface PageText {
  readonly status: number;
  readonly title: string;
  readonly message: string;
  readonly rule: string | null;
  readonly receipt: string | null;
}

/** What a DENY says. */
export function denialText(answer: ProxyAnswer): PageText {
  return {
    status: 403,
    title: 'Denied by Countersign',
    message: plainly(answer.message),
    rule: answer.rule,
    receipt: answer.receipt,
  };
}

/** The words of every surface without the name in front, which the page's title says already. */
function plainly(message: string): string {
  return message
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^countersign: (?:denied: )?/, ''))
    .join('\n');
}

/** One line of printable ASCII, for a reason phrase: pip and others show nothing else. */
function oneLine(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, (found) => (/^[’‘]+$/.test(found) ? "'" : ' '))
    .trim()
    .slice(0, 200);
}

/**
 * Writes a page so that the client shows the reason: JSON where it asks for it (npm takes `error`), gRPC's status in its headers, plain text
 * for everything else (git prints it as `remote:` lines).
 */
export function makePage(text: PageText, requestHeaders: readonly Header[], method: string): Page {
  const accept = headerOf(requestHeaders, 'accept') ?? '';
  const agent = headerOf(requestHeaders, 'user-agent') ?? '';
  const type = headerOf(requestHeaders, 'content-type') ?? '';
  const own: Header[] = [
    ['cache-control', 'no-store'],
    // A browser must not take a reason for a page.
    ['x-content-type-options', 'nosniff'],
    ['x-countersign', text.status === 403 ? 'denied' : 'failed'],
  ];
  if (text.receipt !== null) own.push(['x-countersign-receipt', oneLine(text.receipt)]);
  if (/^application\/grpc/i.test(type)) {
    const headers: Header[] = [
      ['content-type', 'application/grpc'],
      ['grpc-status', text.status === 403 ? '7' : '14'],
      ['grpc-message', encodeURIComponent(`${text.title}: ${text.message}`.toWellFormed())],
      ...own,
    ];
    return { head: { status: 200, reason: 'OK', headers, bodyless: true }, body: Buffer.alloc(0) };
  }
  const git = /^(?:git|JGit|libgit2)\//i.test(agent);
  const json = !git && (/[/+]json\b/i.test(accept) || /^(?:npm|yarn|pnpm|bun)\//i.test(agent));
  // What an agent or a host wrote may stand in a reason, and the page is printed on terminals (T9).
  const why = visible(`${text.title}: ${text.message}`.toWellFormed());
  const body = Buffer.from(
    json
      ? `${JSON.stringify({ error: why, message: why, status: text.status, rule: text.rule, receipt: text.receipt })}\n`
      : `${why}\n${text.rule === null || why.includes(text.rule) ? '' : `rule: ${text.rule}\n`}${text.receipt === null ? '' : `more for the person: countersign receipts show ${text.receipt}\n`}`,
  );
  const headers: Header[] = [
    ['content-type', json ? 'application/json' : 'text/plain; charset=utf-8'],
    ['content-length', String(body.length)],
    ...own,
  ];
  const bodyless = method === 'HEAD';
  return {
    head: { status: text.status, reason: oneLine(why), headers, bodyless },
    body: bodyless ? Buffer.alloc(0) : body,
  };
}
