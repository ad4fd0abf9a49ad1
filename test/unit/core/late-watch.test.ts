// One watched file through everything that can happen to it, without a disk.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  advanceLate,
  type Held,
  type LateDeed,
  type LateEvent,
  type LateWatch,
  watchLate,
} from '../../../electron/core/late-watch.ts';

const held = (digest: string): Held => ({ digest, hollow: digest === '' });

/** What can happen, by number; the judge lets through only what starts with `fine`. */
test('what nobody allowed is never what is gone back to, and stands only until it is seen', () => {
  const content = fc.constantFrom('fine-1', 'fine-2', 'evil-1', 'evil-2', '');
  const step = fc.oneof(
    fc.record({ do: fc.constant('write' as const), content }),
    fc.record({ do: fc.constant('look' as const) }),
    fc.record({ do: fc.constant('wait' as const) }),
    fc.record({ do: fc.constant('answer' as const) }),
    fc.record({ do: fc.constant('approve' as const), content: fc.constantFrom('fine-3', '') }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let watch: LateWatch<Held> = watchLate(held('fine-0'));
      let disk = 'fine-0';
      let open: Extract<LateDeed<Held>, { kind: 'judge' }> | null = null;
      const run = (first: LateEvent<Held>): void => {
        const events = [first];
        for (let event = events.shift(); event !== undefined; event = events.shift()) {
          const next: ReturnType<typeof advanceLate<Held>> = advanceLate(watch, event);
          watch = next.watch;
          for (const deed of next.deeds) {
            if (deed.kind === 'judge') open = deed;
            else if (deed.kind === 'restore') disk = deed.content.digest;
            else if (deed.kind === 'look') events.push({ kind: 'seen', content: held(disk) });
            else {
              const done = disk === deed.over.digest;
              if (done) disk = deed.content.digest;
              events.push({ kind: 'committed', ticket: deed.ticket, done });
            }
          }
        }
        assert.ok(
          watch.standing.digest.startsWith('fine') || watch.standing.digest === '',
          watch.standing.digest,
        );
      };
      for (const now of steps) {
        if (now.do === 'write') disk = now.content;
        else if (now.do === 'approve') {
          run({ kind: 'approved', digest: now.content });
          disk = now.content;
        } else if (now.do === 'look') run({ kind: 'seen', content: held(disk) });
        else if (now.do === 'wait') run({ kind: 'waiting', ticket: watch.ticket });
        else if (open !== null) {
          const { ticket, after }: Extract<LateDeed<Held>, { kind: 'judge' }> = open;
          open = null;
          run({ kind: 'verdict', ticket, result: after.digest.startsWith('evil') ? 'DENY' : 'ALLOW' });
        }
      }
      run({ kind: 'seen', content: held(disk) });
      run({ kind: 'waiting', ticket: watch.ticket });
      assert.ok(!disk.startsWith('evil'), disk);
    }),
    { numRuns: 3000 },
  );
});
