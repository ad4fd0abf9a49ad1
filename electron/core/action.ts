import type { ActionId, Digest, JsonObject, SessionId, TimeMs } from './brand.ts';
import type { Command } from './command.ts';
import type { Payload } from './data/payload.ts';
import type { Effect } from './effect.ts';

/** Where an action was intercepted. Each surface produces the same Action and asks the same `evaluate`. */
export type Surface = 'shell' | 'guard' | 'http' | 'mcp' | 'hook' | 'sdk' | 'file' | 'code';

/**
 * How far a session's interception can be trusted: `enforced` (the kernel makes bypass impossible),
 * `sandboxed`, or `cooperative` (the agent could go round).
 */
export type Assurance = 'enforced' | 'sandboxed' | 'cooperative';

/**
 * One thing an agent is about to do (AARM R1, R5.a). Normalized: built by `wire/*` from bytes, never by hand.
 * `parameters` is what was intercepted, verbatim; `commands` and `effects` are what it means (R3.k).
 */
export interface Action {
  readonly id: ActionId;
  readonly sessionId: SessionId;
  readonly at: TimeMs;
  readonly surface: Surface;
  /** The tool as policy names it: `shell` for any command line, an MCP tool's name, `http`, `file`. */
  readonly tool: string;
  /** What is done with it: `run`, `call`, `get`, `write`. */
  readonly operation: string;
  readonly parameters: JsonObject;
  /** Absolute working directory, where the surface has one. */
  readonly cwd: string | null;
  /** The simple commands a command line will run, wrappers resolved, in order of appearance. */
  readonly commands: readonly Command[];
  /** What all of it does to the world, as far as it can be known. */
  readonly effects: readonly Effect[];
  /** Why normalization could not understand all of it; empty when it did. Never silently dropped. */
  readonly gaps: readonly string[];
  /** SHA-256 over the canonical form of (tool, operation, parameters, cwd); what an approval is bound to. */
  readonly digest: Digest;
  /** The digest of the action this one was made from by MODIFY. */
  readonly modifiedFrom: Digest | null;
  /** Handles of earlier actions whose results this one consumes, when the surface knows (R4.d5). */
  readonly dependsOn: readonly ActionId[];
  /**
   * True when every command with an unknown part is certain to be intercepted once more, with its real
   * values, before it runs (a shell with our trap, a program with a shim). Only then may an unknown be left to that
   * second interception; a forbidden rule still denies at once.
   */
  readonly partsFollow: boolean;
  /** What it carries out of this machine, found in its text (T3); absent when nothing was looked at. No part of the digest. */
  readonly carries?: Payload;
  /** Facts `data.*` that are known of it alone: `placeholder`. No part of the digest. */
  readonly data?: JsonObject;
}
