import { z } from 'zod';

/**
 * What the file shim of a session needs not ask about: places where no rule of the armed policy could speak about an ordinary file,
 * and the names that are not ordinary. Made by the daemon when the session opens, written by the launcher for the shims.
 */
export const calmSchema = z.strictObject({
  /** Below these (absolute, never themselves) an operation of that kind needs no question, unless a line further down says so. */
  write: z.array(z.string()),
  delete: z.array(z.string()),
  move: z.array(z.string()),
  /** What changes of files are asked about wherever they lie. */
  change: z.strictObject({
    /** Last names, lower case; `*` only at an end. */
    names: z.array(z.string()),
    /** Names of folders on the way. */
    folders: z.array(z.string()),
    /** Absolute paths: they and all below. A segment may be `*`. */
    paths: z.array(z.string()),
    /** Absolute paths alone. */
    exact: z.array(z.string()),
    /** Regular expressions (what JavaScript and Python share) on the whole path. */
    odd: z.array(z.string()),
  }),
  /** What reading is asked about. */
  read: z.strictObject({
    names: z.array(z.string()),
    folders: z.array(z.string()),
    paths: z.array(z.string()),
    exact: z.array(z.string()),
    odd: z.array(z.string()),
  }),
});
export type Calm = z.infer<typeof calmSchema>;

/** Nothing is calm: everything is asked about. */
export const NOTHING_CALM: Calm = {
  write: [],
  delete: [],
  move: [],
  change: { names: [], folders: [], paths: [], exact: [], odd: [] },
  read: { names: ['*'], folders: [], paths: ['/'], exact: [], odd: [] },
};
