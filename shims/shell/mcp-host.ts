import type { Socket } from 'node:net';
import { err, type Result } from '../../electron/core/result.ts';
import {
  MAX_QUESTION_TEXT,
  type McpQuestion,
  mcpQuestionSchema,
  outcomeTextSchema,
} from '../../electron/wire/mcp/envelope.ts';
import { parseLine } from '../../electron/wire/submit.ts';
import { encodeFrame, type Field, field } from './frame.ts';
import type { Submitter } from './surface-host.ts';

/** Reads a question of the MCP bridge: its whole text is in one field (AARM R1). */
export function readMcpQuestion(fields: readonly Field[]): Result<McpQuestion, string> {
  const text = jsonIn(fields);
  if (text === null) return err('the question holds nothing');
  const parsed = parseLine(text, mcpQuestionSchema, MAX_QUESTION_TEXT);
  return parsed.ok ? parsed : err(`the question is unreadable: ${parsed.error.message}`);
}

function jsonIn(fields: readonly Field[]): string | null {
  return fields.find((f) => f.tag === 'J')?.bytes.toString('utf8') ?? null;
}

/**
 * Answers one question of an MCP bridge within this session, and hears afterwards what came of it: the returned function takes its
 * second frame. A bridge that goes away is an outcome that nobody knows.
 */
export function hostMcp(
  socket: Socket,
  question: McpQuestion,
  { submitter, now }: { readonly submitter: Submitter; readonly now: () => number },
): (fields: readonly Field[]) => void {
  let answered = false;
  let running: string | null = null;
  let startedAt = 0;
  const send = (value: object) => {
    if (!socket.destroyed) socket.write(encodeFrame([field('J', JSON.stringify(value))]));
  };
  const asking = submitter.submit(question, send);
  socket.on('close', () => {
    if (!answered) asking.cancel();
    if (running !== null)
      submitter.outcome(running, { kind: 'unknown', why: 'the MCP bridge went away' }, startedAt);
    running = null;
  });
  void asking.decided.then((result) => {
    answered = true;
    startedAt = now();
    if (!result.ok) {
      send({ type: 'failed', message: result.error });
      return;
    }
    const { action, result: decided } = result.value;
    if (decided !== 'DENY' && action !== null) {
      if (socket.destroyed)
        submitter.outcome(action, { kind: 'unknown', why: 'the MCP bridge went away' }, startedAt);
      else running = action;
    }
    send(result.value);
  });
  return (fields) => {
    const text = jsonIn(fields);
    const said = text === null ? err('nothing') : parseLine(text, outcomeTextSchema);
    if (running !== null)
      submitter.outcome(
        running,
        said.ok ? said.value.ending : { kind: 'unknown', why: 'the MCP bridge said something unreadable' },
        startedAt,
        said.ok ? said.value.returned : undefined,
      );
    running = null;
    socket.end();
  };
}
