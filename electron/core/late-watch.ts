/** A content as the watch sees it: two are the same when their digests are. */
export interface Held {
  readonly digest: string;
  /** Nothing, or an empty file: it may stay, but is no content to go back to. Writing often starts with emptying. */
  readonly hollow: boolean;
}

/**
 * One watched file whose content acts later. `standing` is the last content that was judged and let through; whatever else
 * lies there is a proposal. While a person decides, what stands is on the disk and the proposal is kept aside.
 */
export type LateWatch<H extends Held> =
  | {
      readonly kind: 'quiet';
      readonly standing: H;
      /** Judged before they arrived (a rename that was allowed). */
      readonly approved: readonly string[];
      /** Denied in this session: not judged again. */
      readonly denied: readonly string[];
      readonly ticket: number;
    }
  | {
      readonly kind: 'judging';
      readonly standing: H;
      readonly proposed: H;
      readonly placed: 'proposed' | 'standing';
      /** The last other content that was written meanwhile. */
      readonly queued: H | null;
      readonly approved: readonly string[];
      readonly denied: readonly string[];
      readonly ticket: number;
    };

export type LateEvent<H extends Held> =
  | { readonly kind: 'seen'; readonly content: H }
  /** The judgement takes longer than a moment. */
  | { readonly kind: 'waiting'; readonly ticket: number }
  | { readonly kind: 'verdict'; readonly ticket: number; readonly result: 'ALLOW' | 'DENY' }
  /** What became of a `commit`. */
  | { readonly kind: 'committed'; readonly ticket: number; readonly done: boolean }
  | { readonly kind: 'approved'; readonly digest: string };

export type LateDeed<H extends Held> =
  | { readonly kind: 'judge'; readonly ticket: number; readonly before: H; readonly after: H }
  /** Put this content there, whatever lies there now. */
  | { readonly kind: 'restore'; readonly content: H }
  /** Put this content there if what lies there is still `over`; answered by `committed`. */
  | { readonly kind: 'commit'; readonly ticket: number; readonly content: H; readonly over: H }
  | { readonly kind: 'look' };

export interface LateStep<H extends Held> {
  readonly watch: LateWatch<H>;
  readonly deeds: readonly LateDeed<H>[];
}

const MAX_REMEMBERED = 64;

/** The watch of a file before anything is written to it. */
export function watchLate<H extends Held>(standing: H): LateWatch<H> {
  return { kind: 'quiet', standing, approved: [], denied: [], ticket: 0 };
}

/**
 * Advances one file's watch; pure.
 * INVARIANT: a content that nobody allowed is on the disk only until it is seen, and, while it is being judged, until the
 * judgement waits for somebody.
 */
export function advanceLate<H extends Held>(watch: LateWatch<H>, event: LateEvent<H>): LateStep<H> {
  if (event.kind === 'approved')
    return stay({ ...watch, approved: [...watch.approved, event.digest].slice(-MAX_REMEMBERED) });
  return watch.kind === 'quiet' ? whenQuiet(watch, event) : whenJudging(watch, event);
}

type Quiet<H extends Held> = Extract<LateWatch<H>, { kind: 'quiet' }>;
type Judging<H extends Held> = Extract<LateWatch<H>, { kind: 'judging' }>;

function stay<H extends Held>(watch: LateWatch<H>): LateStep<H> {
  return { watch, deeds: [] };
}

function whenQuiet<H extends Held>(
  watch: Quiet<H>,
  event: Exclude<LateEvent<H>, { kind: 'approved' }>,
): LateStep<H> {
  if (event.kind !== 'seen') return stay(watch);
  const { content } = event;
  const { standing, approved, denied, ticket } = watch;
  if (content.digest === standing.digest) return stay(watch);
  if (approved.includes(content.digest) && content.hollow) return stay(watch);
  if (approved.includes(content.digest))
    return stay({ ...watch, standing: content, approved: approved.filter((one) => one !== content.digest) });
  if (denied.includes(content.digest)) return { watch, deeds: [{ kind: 'restore', content: standing }] };
  return propose(standing, content, 'proposed', { approved, denied, ticket });
}

function propose<H extends Held>(
  standing: H,
  proposed: H,
  placed: 'proposed' | 'standing',
  rest: Pick<LateWatch<H>, 'approved' | 'denied' | 'ticket'>,
): LateStep<H> {
  const ticket = rest.ticket + 1;
  return {
    watch: { ...rest, kind: 'judging', standing, proposed, placed, queued: null, ticket },
    deeds: [{ kind: 'judge', ticket, before: standing, after: proposed }],
  };
}

function whenJudging<H extends Held>(
  watch: Judging<H>,
  event: Exclude<LateEvent<H>, { kind: 'approved' }>,
): LateStep<H> {
  if (event.kind === 'seen') return seenWhileJudging(watch, event.content);
  // A judgement of what was meanwhile replaced by something else decides nothing.
  if (event.ticket !== watch.ticket) return stay(watch);
  const { standing, proposed, placed, approved, denied, ticket } = watch;
  const rest = { approved, denied, ticket };
  switch (event.kind) {
    case 'waiting':
      return placed === 'standing'
        ? stay(watch)
        : { watch: { ...watch, placed: 'standing' }, deeds: [{ kind: 'restore', content: standing }] };
    case 'verdict': {
      if (event.result === 'ALLOW' && placed === 'standing')
        return { watch, deeds: [{ kind: 'commit', ticket, content: proposed, over: standing }] };
      if (event.result === 'ALLOW')
        return {
          watch: proposed.hollow
            ? {
                ...rest,
                kind: 'quiet',
                standing,
                approved: [...approved, proposed.digest].slice(-MAX_REMEMBERED),
              }
            : { ...rest, kind: 'quiet', standing: proposed },
          deeds: [{ kind: 'look' }],
        };
      const refused = [...denied, proposed.digest].slice(-MAX_REMEMBERED);
      const next = afterwards(standing, watch.queued, { ...rest, denied: refused });
      return placed === 'standing'
        ? next
        : { ...next, deeds: [{ kind: 'restore', content: standing }, ...next.deeds] };
    }
    case 'committed':
      return event.done
        ? afterwards(proposed, watch.queued, rest)
        : {
            // Somebody wrote there again: that is looked at first; the allowed content may still arrive.
            watch: {
              ...rest,
              kind: 'quiet',
              standing,
              approved: [...approved, proposed.digest].slice(-MAX_REMEMBERED),
            },
            deeds: [{ kind: 'look' }],
          };
  }
}

function afterwards<H extends Held>(
  standing: H,
  queued: H | null,
  rest: Pick<LateWatch<H>, 'approved' | 'denied' | 'ticket'>,
): LateStep<H> {
  const open = queued !== null && queued.digest !== standing.digest && !rest.denied.includes(queued.digest);
  return open
    ? propose(standing, queued, 'standing', rest)
    : { watch: { ...rest, kind: 'quiet', standing }, deeds: [{ kind: 'look' }] };
}

function seenWhileJudging<H extends Held>(watch: Judging<H>, content: H): LateStep<H> {
  const { standing, proposed, placed, approved, denied, ticket } = watch;
  const rest = { approved, denied, ticket };
  if (placed === 'proposed') {
    if (content.digest === proposed.digest) return stay(watch);
    // Taken back, or written on: the question is another one now.
    if (content.digest === standing.digest)
      return stay({ ...rest, kind: 'quiet', standing, ticket: ticket + 1 });
    return whenQuiet({ ...rest, kind: 'quiet', standing }, { kind: 'seen', content });
  }
  if (content.digest === standing.digest) return stay(watch);
  if (approved.includes(content.digest))
    // Allowed before it arrived, and newer than what is being decided: that was made from another content.
    return content.hollow
      ? stay(watch)
      : stay({
          kind: 'quiet',
          standing: content,
          approved: approved.filter((one) => one !== content.digest),
          denied,
          ticket: ticket + 1,
        });
  const back: LateDeed<H> = { kind: 'restore', content: standing };
  if (content.digest === proposed.digest || denied.includes(content.digest)) return { watch, deeds: [back] };
  // One question at a time for one file; of what is written meanwhile the last is asked about next.
  return { watch: { ...watch, queued: content }, deeds: [back] };
}
