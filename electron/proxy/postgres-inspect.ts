import type { Payload } from '../core/data/payload.ts';
import type { UntrustedSignal } from '../wire/proxy-message.ts';

/** What looks at content for secrets, personal data, fragments of what was read, and words that want to steer. It decides nothing. */
export interface Inspect {
  scan(bytes: Uint8Array): Payload;
  signals(text: string): readonly UntrustedSignal[];
}
