#ifndef CSG_PROBE_H
#define CSG_PROBE_H

/*
 * `countersign-guard --probe`: tries, step by step and for real, what the guard needs of this kernel, and prints one line a step:
 * NAME TAB ok|no TAB what happened. 0 when a full session can be made, 2 when only one without namespaces, 3 when none.
 */
int probe_main(void);

#endif
