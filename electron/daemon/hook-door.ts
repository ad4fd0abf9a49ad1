import type { Socket } from 'node:net';
import { type FrameConnection, serveFrames } from '../edge/frame-socket.ts';
import { waitingText } from '../wire/answer-text.ts';
import {
  hookReplyFrame,
  hookWaitingFrame,
  MAX_HOOK_FRAME_BYTES,
  readHookQuestion,
} from '../wire/hook/frame.ts';
import type { Gate } from './gate.ts';
import type { HookService } from './hook-service.ts';
import type { MediationPorts } from './mediation.ts';
import type { RefusalRecorder } from './refusals.ts';

export interface HookDoorPorts {
  readonly mediation: MediationPorts;
  readonly service: HookService;
  readonly refusals: RefusalRecorder;
  readonly gate: Gate;
  readonly frameMs: number;
}

/**
 * Serves one hook: one question, one answer, then it is closed (wire/hook/frame.ts). Whoever can write to the socket can ask; an answer
 * grants nothing but what the agent was going to do by itself.
 */
export function serveHook(ports: HookDoorPorts, socket: Socket): void {
  const { mediation } = ports;
  const waiting: (() => void)[] = [];
  let asked = false;
  let gone = false;
  let told = false;
  const visitor = ports.gate.arrive(() => socket.destroy());
  const cancelSilence = mediation.timers.after(ports.frameMs, () => {
    if (!asked) socket.destroy();
  });
  const line: FrameConnection = serveFrames(
    socket,
    { maxFrame: () => MAX_HOOK_FRAME_BYTES, frameMs: ports.frameMs },
    {
      onFrame: (payload) => onFrame(Uint8Array.from(payload)),
      onClose: () => {
        gone = true;
        cancelSilence();
        visitor.leave();
        for (const callback of waiting) callback();
      },
      onBroken: (fault) => ports.refusals.refuse('hook', fault.code, fault.message),
    },
  );

  function onFrame(payload: Uint8Array): void {
    if (asked) return line.end();
    asked = true;
    const question = readHookQuestion(payload);
    if (!question.ok) {
      ports.refusals.refuse('hook', question.error.code, question.error.message);
      return line.end();
    }
    if (!visitor.introduce(question.value.agent)) return line.end();
    const asker = {
      notify: (notice: Parameters<typeof waitingText>[0] & { readonly deadline: number }) => {
        const leftMs = notice.deadline - mediation.clock.now();
        if (!gone) line.send(hookWaitingFrame(told ? '' : waitingText(notice, leftMs), leftMs));
        told = true;
      },
      cancelled: () => gone,
      onCancel: (callback: () => void) => {
        if (gone) callback();
        else waiting.push(callback);
      },
    };
    void ports.service.answer(null, question.value, asker).then((reply) => {
      waiting.length = 0;
      if (gone) return;
      line.send(hookReplyFrame(reply));
      line.end();
    });
  }
}
