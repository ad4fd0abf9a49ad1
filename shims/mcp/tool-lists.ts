import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../../electron/core/brand.ts';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { waitingText } from '../../electron/wire/answer-text.ts';
import { isJsonObject } from '../../electron/wire/json.ts';
import type { McpQuestion, McpServer } from '../../electron/wire/mcp/envelope.ts';
import { idKey, type McpResponse, type RequestId } from '../../electron/wire/mcp/message.ts';
import type { Asker } from './asker.ts';

export interface ToolListPorts {
  readonly asker: Asker;
  readonly common: Pick<McpQuestion, 'surface' | 'server' | 'cwd' | 'pid'> & { readonly server: McpServer };
  readonly toClient: (line: Buffer | string) => void;
  readonly toServer: (line: Buffer | string) => void;
  readonly say: (line: string) => void;
  readonly now: () => number;
  readonly after: (ms: number, callback: () => void) => () => void;
}

/** The lists of tools that a server gives: each is compared with what is pinned before a client sees it (T1). */
export interface ToolLists {
  /** Whether the daemon was shown this tool since the server last said that its tools changed. */
  knows(tool: string): boolean;
  /** Asks the server for its tools by itself and has the daemon look at them; `params` are those of the call that needs it. */
  fetch(params: JsonObject): Promise<void>;
  /** True when this answers our own question, which no client must hear of. */
  take(message: McpResponse): boolean;
  /** The line that the client is to see: as it came, or without the tools that nobody accepted yet. */
  show(id: RequestId, result: JsonObject, line: Buffer): Promise<Result<Buffer | string, string>>;
  forget(): void;
  end(why: string): void;
}

const FETCH_MS = 5000;
const MAX_PAGES = 32;

type Seen = { readonly kind: 'all' } | { readonly kind: 'without'; readonly names: ReadonlySet<string> };

/** Makes the keeper of one server's lists. */
export function createToolLists(ports: ToolListPorts): ToolLists {
  const known = new Set<string>();
  /** Pages that were accepted whole, by their digest: the same list is not asked about twice. */
  const accepted = new Set<string>();
  const ours = new Map<string, (result: JsonObject | null) => void>();
  let count = 0;
  let fetching: Promise<void> | null = null;

  /** Shows the daemon a page; resolves as soon as it is known which tools may be shown to the client. */
  const look = (tools: readonly JsonObject[], more: boolean): Promise<Result<Seen, string>> => {
    const digest = createHash('sha256').update(JSON.stringify(tools)).digest('hex');
    const names = tools.map((tool) => tool.name).filter((name) => typeof name === 'string');
    if (accepted.has(digest)) {
      for (const name of names) known.add(name);
      return Promise.resolve(ok({ kind: 'all' }));
    }
    return new Promise((resolve) => {
      let early = false;
      const seen = (answer: Result<Seen, string>) => {
        for (const name of names) known.add(name);
        resolve(answer);
      };
      const question = { ...ports.common, operation: 'define' as const, tools: [...tools], more };
      const asking = ports.asker.ask(question, (waiting) => {
        if (!early) ports.say(waitingText(waiting, waiting.deadline - ports.now()).trimEnd());
        early = true;
        // Nothing named: then nothing of it may be shown.
        seen(ok({ kind: 'without', names: new Set(waiting.withheld ?? names) }));
      });
      void asking.ruled.then((ruled) => {
        if (!ruled.ok) return seen(err(ruled.error));
        const { decision } = ruled.value;
        if (decision.result === 'ALLOW') {
          accepted.add(digest);
          ruled.value.end({ kind: 'answer', error: null });
          if (early)
            ports.toClient(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }));
          return seen(ok({ kind: 'all' }));
        }
        ports.say(`tools of \`${ports.common.server.name}\` stay hidden: ${decision.reason}`);
        if (decision.withheld === undefined) return seen(err(decision.reason));
        return seen(ok({ kind: 'without', names: new Set(decision.withheld) }));
      });
    });
  };

  const askServer = (params: JsonObject): Promise<JsonObject | null> =>
    new Promise((resolve) => {
      count += 1;
      const id = `countersign-${count}-${createHash('sha256').update(`${count} ${ports.now()}`).digest('hex').slice(0, 12)}`;
      const key = idKey(id);
      const cancel = ports.after(FETCH_MS, () => {
        ours.delete(key);
        resolve(null);
      });
      ours.set(key, (result) => {
        cancel();
        ours.delete(key);
        resolve(result);
      });
      ports.toServer(JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/list', params }));
    });

  const fetchAll = async (given: JsonObject): Promise<void> => {
    const meta = isJsonObject(given._meta) ? { ...given._meta } : {};
    delete (meta as Record<string, Json>).progressToken;
    let cursor: string | null = null;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const params: JsonObject = {
        ...(Object.keys(meta).length > 0 ? { _meta: meta } : {}),
        ...(cursor === null ? {} : { cursor }),
      };
      const result: JsonObject | null = await askServer(params);
      const tools = result === null ? null : toolsIn(result);
      if (result === null || tools === null) return;
      await look(tools, typeof result.nextCursor === 'string');
      if (typeof result.nextCursor !== 'string') return;
      cursor = result.nextCursor;
    }
  };

  return {
    knows: (tool) => known.has(tool),
    fetch(params) {
      fetching ??= fetchAll(params).finally(() => {
        fetching = null;
      });
      return fetching;
    },
    take(message) {
      const hear = message.id === null ? undefined : ours.get(idKey(message.id));
      if (hear === undefined) return false;
      hear(message.outcome.kind === 'result' ? message.outcome.result : null);
      return true;
    },
    async show(id, result, line) {
      const tools = toolsIn(result);
      if (tools === null) return err('the list of tools is unreadable');
      const seen = await look(tools, typeof result.nextCursor === 'string');
      if (!seen.ok) return seen;
      if (seen.value.kind === 'all') return ok(line);
      const { names } = seen.value;
      const left = tools.filter((tool) => typeof tool.name === 'string' && !names.has(tool.name));
      return ok(JSON.stringify({ jsonrpc: '2.0', id, result: { ...result, tools: left } }));
    },
    forget: () => known.clear(),
    end() {
      for (const hear of [...ours.values()]) hear(null);
    },
  };
}

function toolsIn(result: JsonObject): readonly JsonObject[] | null {
  const { tools } = result;
  if (!Array.isArray(tools) || tools.length > 1024) return null;
  const list = tools as readonly Json[];
  return list.every((tool) => isJsonObject(tool)) ? (list as readonly JsonObject[]) : null;
}
